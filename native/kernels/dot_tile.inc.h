// kDotM rows times W vectors of columns over all groups and their parts.
template <int W>
inline void dot_tile(const uint8_t* a, const uint8_t* b, int groups, int parts, vf (&sums)[kDotM][W]) {
  constexpr int cols = W * FT_VL, bytes = cols * (4 * kDotSteps + 8);
  for (int at = 0, part = parts; at < groups * parts; at++, a += kDotM * kDotRow) {
    const int32_t* words = reinterpret_cast<const int32_t*>(b);
    const float* scale_b = reinterpret_cast<const float*>(b) + (kDotSteps + 1) * cols;
    const float* scale_a = reinterpret_cast<const float*>(a + kDotM * kGroup * FT_DOT_BYTES);
    // With too few registers for both, the sums of integers have them, and those of floats wait in memory.
    if (2 * kDotM * kDotN + kDotN + 1 > FT_REGISTERS) asm volatile("" : : "r"(sums) : "memory");
    vi t[kDotM][W];
#pragma GCC unroll 16
    for (int i = 0; i < kDotM; i++)
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) t[i][j] = iload(words + kDotSteps * cols + j * FT_VL);
// Operands of 2 bytes: unrolled, GCC would do all products first and keep them in memory.
#pragma GCC unroll kDotUnroll
    for (int s = 0; s < kDotSteps; s++) {
      vi w[W];
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) w[j] = iload(words + s * cols + j * FT_VL);
#pragma GCC unroll 16
      for (int i = 0; i < kDotM; i++) {
        int32_t lane;
        std::memcpy(&lane, a + i * kGroup * FT_DOT_BYTES + 4 * s, 4);
        const vi x = iset(lane);
#pragma GCC unroll 16
        for (int j = 0; j < W; j++) t[i][j] = FT_DOT(t[i][j], x, w[j]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kDotM; i++)
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) {
        const vf scale = vload(scale_b + j * FT_VL) * scale_a[i];
        sums[i][j] = FT_FMA(__builtin_convertvector(t[i][j], vf), scale, sums[i][j]);
      }
    if (--part == 0) part = parts, b += bytes;
  }
}
