// The f32 matrix product of a set: B packed into panels of 2 vectors, kMR rows of A as f32, rows against a panel at a
// time with the accumulators in registers. Operands in bf16 and int8 are widened to f32 while they are packed, so this
// is also what precision int8 runs on where there is no better instruction.
constexpr int kNR = 2 * FT_VL;
constexpr int kMR = FT_MR;
constexpr int kKB = 256;  // depth of a packed block: a panel stays in the L1 cache

inline float mat_at(const View& b, int64_t row, int64_t col) {
  switch (b.type) {
    case Dtype::F32: return static_cast<const float*>(b.data)[row * b.ld + col];
    case Dtype::BF16: return bf16_to_f32(static_cast<const bf16_t*>(b.data)[row * b.ld + col]);
    default:
      return static_cast<const int8_t*>(b.data)[row * b.ld + col] * b.scale[row * (b.ld / kGroup) + col / kGroup];
  }
}

// `count` values of row `row` from column `col` on, as f32.
inline void mat_row(const View& b, int64_t row, int64_t col, int count, float* out) {
  int i = 0;
  if (b.type == Dtype::F32) {
    std::memcpy(out, static_cast<const float*>(b.data) + row * b.ld + col, sizeof(float) * count);
    return;
  }
  if (b.type == Dtype::BF16) {
    const bf16_t* p = static_cast<const bf16_t*>(b.data) + row * b.ld + col;
    for (; i + FT_VL <= count; i += FT_VL) vstore(out + i, vload(p + i));
  } else if (col % kGroup == 0) {
    const int8_t* p = static_cast<const int8_t*>(b.data) + row * b.ld + col;
    const float* s = b.scale + row * (b.ld / kGroup) + col / kGroup;
    for (; i + FT_VL <= count; i += FT_VL) vstore(out + i, vload(p + i) * s[i / kGroup]);
  }
  for (; i < count; i++) out[i] = mat_at(b, row, col + i);
}

// Packs B[k0 : k0 + kb, n0 : n0 + nr] as [kb][kNR], columns past nr zero.
inline void pack_b(const Segment& s, int k0, int kb, int n0, int nr, float* out) {
  if (!s.trans) {
    for (int k = 0; k < kb; k++, out += kNR) {
      mat_row(s.b, k0 + k, n0, nr, out);
      for (int j = nr; j < kNR; j++) out[j] = 0;
    }
    return;
  }
  float row[kKB];
  for (int j = 0; j < kNR; j++) {
    if (j < nr) mat_row(s.b, n0 + j, k0, kb, row);
    else std::memset(row, 0, sizeof(float) * kb);
    for (int k = 0; k < kb; k++) out[k * kNR + j] = row[k];
  }
}

// Rows m .. m + rows of A, depth k0 .. k0 + kb, as f32 [kMR][kKB]; rows past the end are zero.
inline void pack_a(const View& a, int m, int rows, int k0, int kb, float* out) {
  for (int i = 0; i < kMR; i++) {
    if (i < rows) mat_row(a, m + i, k0, kb, out + i * kKB);
    else std::memset(out + i * kKB, 0, sizeof(float) * kb);
  }
}

// C[m : m + rows, n : n + cols] = [C +] A block * W vectors of columns of b, whose rows are ldb apart; R >= rows
template <int R, int W, class T>
inline void micro(
    const float* a, const T* b, int64_t ldb, int kb, float* c, int64_t ldc, int rows, int cols, bool add) {
  vf acc[R][W] = {};
  for (int k = 0; k < kb; k++, b += ldb) {
    vf column[W];
#pragma GCC unroll 2
    for (int j = 0; j < W; j++) column[j] = vload(b + j * FT_VL);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const vf x = vset(a[i * kKB + k]);
#pragma GCC unroll 2
      for (int j = 0; j < W; j++) acc[i][j] += x * column[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
    if (i >= rows) break;
    float* to = c + i * ldc;
    if (cols == W * FT_VL) {
#pragma GCC unroll 2
      for (int j = 0; j < W; j++) vstore(to + j * FT_VL, add ? vload(to + j * FT_VL) + acc[i][j] : acc[i][j]);
      continue;
    }
    float t[W * FT_VL];
#pragma GCC unroll 2
    for (int j = 0; j < W; j++) vstore(t + j * FT_VL, acc[i][j]);
    for (int j = 0; j < cols; j++) to[j] = add ? to[j] + t[j] : t[j];
  }
}

constexpr int kMB = 10 * kMR;  // rows of A packed at a time
constexpr int kNB = 12 * kNR;  // columns of B packed at a time; both packings stay in the L2 cache

inline GemmCut gemm_cut(const Gemm&) { return {kMR, kNR}; }
inline size_t gemm_packed(const Gemm&) { return 0; }
inline void gemm_pack(const Gemm&, int, int, uint8_t*) {}
inline size_t gemm_scratch(const Gemm& g) {
  size_t floats = static_cast<size_t>(kKB) * kNB + static_cast<size_t>(kMB) * kKB + 64;
  if (g.c.type == Dtype::BF16) floats += static_cast<size_t>(g.m) * kNB;
  return floats * sizeof(float);
}

// Few rows (LoRA's gradients: as many as the rank) are sooner done with B as it lies than with B packed.
inline bool unpacked(const Segment& s, int rows) { return !s.trans && s.b.type != Dtype::Q8 && rows <= 3 * kMR; }

template <class T>
inline void micro_from(
    const float* a, const T* b, int64_t ldb, int kb, float* c, int64_t ldc, int rows, int cols, bool add) {
  constexpr int some = kMR > 8 ? 8 : kMR, few = kMR > 4 ? 4 : kMR;
  const bool two = cols > FT_VL;
  const auto run = rows <= few    ? two ? micro<few, 2, T> : micro<few, 1, T>
                   : rows <= some ? two ? micro<some, 2, T> : micro<some, 1, T>
                                  : two ? micro<kMR, 2, T> : micro<kMR, 1, T>;
  run(a, b, ldb, kb, c, ldc, rows, cols, add);
}

// Columns nc .. ne (at most kNB) of the product, in f32 at c.
inline void gemm_columns(
    const Gemm& g, int m0, int m1, int nc, int ne, float* c, int64_t ldc, bool add, float* panels, float* rows) {
  for (int si = 0; si < g.segments; si++) {
    const Segment& s = g.seg[si];
    for (int k0 = 0; k0 < s.a.cols; k0 += kKB) {
      const int kb = s.a.cols - k0 < kKB ? s.a.cols - k0 : kKB;
      // columns past the last whole panel are packed in any case: more must not be read
      const int as_is = unpacked(s, m1 - m0) ? nc + (ne - nc) / kNR * kNR : nc;
      for (int n = as_is; n < ne; n += kNR)
        pack_b(s, k0, kb, n, ne - n < kNR ? ne - n : kNR, panels + static_cast<int64_t>(n - nc) * kKB);
      for (int mb = m0; mb < m1; mb += kMB) {
        const int me = mb + kMB < m1 ? mb + kMB : m1;
        for (int m = mb; m < me; m += kMR)
          pack_a(s.a, m, me - m < kMR ? me - m : kMR, k0, kb, rows + static_cast<int64_t>(m - mb) * kKB);
        for (int n = nc; n < ne; n += kNR) {
          const int cols = ne - n < kNR ? ne - n : kNR;
          for (int m = mb; m < me; m += kMR) {
            const float* a = rows + static_cast<int64_t>(m - mb) * kKB;
            float* to = c + (m - m0) * ldc + (n - nc);
            const int count = me - m < kMR ? me - m : kMR;
            const int64_t at = k0 * s.b.ld + n;
            if (n >= as_is)
              micro_from(a, panels + static_cast<int64_t>(n - nc) * kKB, kNR, kb, to, ldc, count, cols, add);
            else if (s.b.type == Dtype::F32)
              micro_from(a, static_cast<const float*>(s.b.data) + at, s.b.ld, kb, to, ldc, count, cols, add);
            else micro_from(a, static_cast<const bf16_t*>(s.b.data) + at, s.b.ld, kb, to, ldc, count, cols, add);
          }
        }
      }
      add = true;
    }
  }
}

inline void gemm(const Gemm& g, const uint8_t*, int m0, int m1, int n0, int n1, Scratch& scratch) {
  float* panels = reinterpret_cast<float*>(scratch.data);
  float* rows = panels + static_cast<int64_t>(kKB) * kNB;
  float* out = rows + static_cast<int64_t>(kMB) * kKB;
  for (int nc = n0; nc < n1; nc += kNB) {
    const int ne = nc + kNB < n1 ? nc + kNB : n1;
    if (g.c.type == Dtype::F32) {
      gemm_columns(
          g, m0, m1, nc, ne, static_cast<float*>(g.c.data) + m0 * g.c.ld + nc, g.c.ld, g.accumulate, panels, rows);
      continue;
    }
    gemm_columns(g, m0, m1, nc, ne, out, kNB, false, panels, rows);
    for (int m = m0; m < m1; m++) {
      bf16_t* c = static_cast<bf16_t*>(g.c.data) + m * g.c.ld + nc;
      const float* x = out + static_cast<int64_t>(m - m0) * kNB;
      int j = 0;
      for (; j + FT_VL <= ne - nc; j += FT_VL) vstore(c + j, vload(x + j));
      for (; j < ne - nc; j++) c[j] = f32_to_bf16(x[j]);
    }
  }
}
