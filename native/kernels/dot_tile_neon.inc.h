// dot_tile.inc.h with the dot product that takes a lane of its other operand: 16 bytes of a row are loaded once for
// four steps. The same sums of the same operands, so the same bits.
template <int Lane, int W>
inline void dot_step(const int32_t* words, const int8x16_t (&rows)[kDotM], vi (&t)[kDotM][W]) {
#pragma GCC unroll 16
  for (int j = 0; j < W; j++) {
    const int8x16_t w = (int8x16_t)iload(words + (Lane * W + j) * FT_VL);
#pragma GCC unroll 16
    for (int i = 0; i < kDotM; i++) t[i][j] = (vi)vdotq_laneq_s32((int32x4_t)t[i][j], w, rows[i], Lane);
  }
}

template <int W>
inline void dot_tile(const uint8_t* a, const uint8_t* b, int groups, int parts, vf (&sums)[kDotM][W]) {
  static_assert(FT_VL == 4 && FT_DOT_BYTES == 1 && FT_DOT_BIAS == 0);
  constexpr int cols = W * FT_VL, bytes = cols * (4 * kDotSteps + 8);
  for (int at = 0, part = parts; at < groups * parts; at++, a += kDotM * kDotRow) {
    const int32_t* words = reinterpret_cast<const int32_t*>(b);
    const float* scale_b = reinterpret_cast<const float*>(b) + (kDotSteps + 1) * cols;
    const float* scale_a = reinterpret_cast<const float*>(a + kDotM * kGroup);
    vi t[kDotM][W] = {};
#pragma GCC unroll 16
    for (int s = 0; s < kDotSteps; s += 4) {
      int8x16_t rows[kDotM];
#pragma GCC unroll 16
      for (int i = 0; i < kDotM; i++) rows[i] = vld1q_s8(reinterpret_cast<const int8_t*>(a) + i * kGroup + 4 * s);
      dot_step<0>(words + s * cols, rows, t);
      dot_step<1>(words + s * cols, rows, t);
      dot_step<2>(words + s * cols, rows, t);
      dot_step<3>(words + s * cols, rows, t);
    }
#pragma GCC unroll 16
    for (int j = 0; j < W; j++) {
      const vf columns = vload(scale_b + j * FT_VL);
#pragma GCC unroll 16
      for (int i = 0; i < kDotM; i++)
        sums[i][j] = FT_FMA(__builtin_convertvector(t[i][j], vf), columns * scale_a[i], sums[i][j]);
    }
    if (--part == 0) part = parts, b += bytes;
  }
}
