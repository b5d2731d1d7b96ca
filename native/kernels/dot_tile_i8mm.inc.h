// dot_tile.inc.h in squares of 2 rows x 2 columns, a vector each: the same sums of the same operands, so the same bits.
inline vi dot_square(vi acc, vi4 rows, vi4 columns) {
  return (vi)vmmlaq_s32((int32x4_t)acc, (int8x16_t)rows, (int8x16_t)columns);
}

template <int W>
inline void dot_tile(const uint8_t* a, const uint8_t* b, int groups, int parts, vf (&sums)[kDotM][W]) {
  static_assert(kDotM % 2 == 0 && FT_VL == 4 && FT_DOT_BYTES == 1 && FT_DOT_BIAS == 0);
  constexpr int cols = W * FT_VL, bytes = cols * (4 * kDotSteps + 8), pairs = kDotM / 2;
  vf square[pairs][2 * W] = {};
  for (int at = 0, part = parts; at < groups * parts; at++, a += kDotM * kDotRow) {
    const int32_t* words = reinterpret_cast<const int32_t*>(b);
    const float* scale_b = reinterpret_cast<const float*>(b) + (kDotSteps + 1) * cols;
    const float* scale_a = reinterpret_cast<const float*>(a + kDotM * kGroup);
    vi t[pairs][2 * W] = {};
#pragma GCC unroll 16
    for (int s = 0; s < kDotSteps; s += 4) {  // 16 bytes of each row
      vi4 low[pairs], high[pairs];
#pragma GCC unroll 16
      for (int i = 0; i < pairs; i++) {
        vi4 row[2];
        std::memcpy(&row[0], a + 2 * i * kGroup + 4 * s, sizeof row[0]);
        std::memcpy(&row[1], a + (2 * i + 1) * kGroup + 4 * s, sizeof row[1]);
        low[i] = FT_SHUFFLE(row[0], row[1], 0, 1, 4, 5);
        high[i] = FT_SHUFFLE(row[0], row[1], 2, 3, 6, 7);
      }
#pragma GCC unroll 16
      for (int half = 0; half < 2; half++)
#pragma GCC unroll 16
        for (int j = 0; j < W; j++) {
          const int32_t* from = words + (s + 2 * half) * cols + j * FT_VL;
          const vi4 w0 = iload(from), w1 = iload(from + cols);
          const vi4 left = FT_SHUFFLE(w0, w1, 0, 4, 1, 5), right = FT_SHUFFLE(w0, w1, 2, 6, 3, 7);
#pragma GCC unroll 16
          for (int i = 0; i < pairs; i++) {
            t[i][2 * j] = dot_square(t[i][2 * j], half ? high[i] : low[i], left);
            t[i][2 * j + 1] = dot_square(t[i][2 * j + 1], half ? high[i] : low[i], right);
          }
        }
    }
#pragma GCC unroll 16
    for (int j = 0; j < 2 * W; j++) {
      const vf columns = {scale_b[2 * j], scale_b[2 * j + 1], scale_b[2 * j], scale_b[2 * j + 1]};
#pragma GCC unroll 16
      for (int i = 0; i < pairs; i++) {
        const vf rows = {scale_a[2 * i], scale_a[2 * i], scale_a[2 * i + 1], scale_a[2 * i + 1]};
        square[i][j] = FT_FMA(__builtin_convertvector(t[i][j], vf), columns * rows, square[i][j]);
      }
    }
    if (--part == 0) part = parts, b += bytes;
  }
  for (int i = 0; i < pairs; i++)
    for (int j = 0; j < W; j++) {
      const vi4 left = (vi4)square[i][2 * j], right = (vi4)square[i][2 * j + 1];
      sums[2 * i][j] = (vf)FT_SHUFFLE(left, right, 0, 1, 4, 5);
      sums[2 * i + 1][j] = (vf)FT_SHUFFLE(left, right, 2, 3, 6, 7);
    }
}
