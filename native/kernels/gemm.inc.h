// The matrix product of a set in floats: B packed into panels of 2 vectors, kMR rows of A in words, rows against a
// panel at a time with the accumulators in registers. Operands in bf16 and int8 are widened to f32 while they are
// packed, so this is also what precision int8 runs on where there is no better instruction; where a set has pairs and
// both sides are bf16, they stay so.
constexpr int kNR = 2 * FT_VL;
constexpr int kMR = FT_MR;
constexpr int kKB = 256;  // words of depth of a packed block: a panel stays in the L1 cache

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

// Packs B as [words][kNR], columns n0 .. n0 + nr, values k0 .. k0 + count of the depth; the rest is zero.
inline void pack_b(const Segment& s, int k0, int count, int n0, int nr, float* out) {
  if (!s.trans) {
    for (int k = 0; k < count; k++, out += kNR) {
      mat_row(s.b, k0 + k, n0, nr, out);
      for (int j = nr; j < kNR; j++) out[j] = 0;
    }
    return;
  }
  float row[kKB];
  for (int j = 0; j < kNR; j++) {
    if (j < nr) mat_row(s.b, n0 + j, k0, count, row);
    else std::memset(row, 0, sizeof(float) * count);
    for (int k = 0; k < count; k++) out[k * kNR + j] = row[k];
  }
}
inline void pack_b(const Segment& s, int k0, int count, int n0, int nr, int32_t* out) {
  const int64_t along = s.trans ? 1 : s.b.ld, across = s.trans ? s.b.ld : 1;
  const bf16_t* b = static_cast<const bf16_t*>(s.b.data) + k0 * along + n0 * across;
  for (int k = 0; k < count; k += 2, out += kNR)
    for (int j = 0; j < kNR; j++) {
      const bf16_t* at = b + j * across + k * along;
      const uint32_t low = j < nr ? at[0] : 0, high = j < nr && k + 1 < count ? at[along] : 0;
      out[j] = static_cast<int32_t>(low | (high << 16));
    }
}

// Rows m .. m + rows of A, values k0 .. k0 + count of the depth, as words [kMR][kKB]; rows past the end are zero.
template <class M>
inline void pack_a(const View& a, int m, int rows, int k0, int count, typename M::Word* out) {
  const size_t words = (count + M::kPer - 1) / M::kPer;
  for (int i = 0; i < kMR; i++, out += kKB) {
    if (i >= rows) std::memset(out, 0, sizeof *out * words);
    else if constexpr (M::kPer == 1) mat_row(a, m + i, k0, count, out);
    else std::memcpy(out, static_cast<const bf16_t*>(a.data) + (m + i) * a.ld + k0, sizeof *out * words);
  }
}

// Where a tile reads B from: a packed panel, or the matrix as it lies.
template <class M>
struct Panel {
  const typename M::Word* b;
  auto row(int64_t k, int j) const { return M::load(b + k * kNR + j); }
};
template <class M, class T>
struct AsIs {
  const T* b;
  int64_t ld;
  int count;  // of the depth
  auto row(int64_t k, int j) const { return M::load_row(b + j, ld, k, count); }
};

// C[m : m + rows, n : n + cols] = [C +] A block * W vectors of columns of b over `words` of the depth; R >= rows
template <class M, int R, int W, class B>
inline void micro(
    const typename M::Word* a, const B& b, int words, float* c, int64_t ldc, int rows, int cols, bool add) {
  vf acc[R][W] = {};
  for (int k = 0; k < words; k++) {
    decltype(b.row(0, 0)) column[W];
#pragma GCC unroll 2
    for (int j = 0; j < W; j++) column[j] = b.row(k, j * FT_VL);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const auto x = M::all(a[i * kKB + k]);
#pragma GCC unroll 2
      for (int j = 0; j < W; j++) acc[i][j] = M::mad(acc[i][j], x, column[j]);
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
template <class M, class B>
inline void micro_of(
    const typename M::Word* a, const B& b, int words, float* c, int64_t ldc, int rows, int cols, bool add) {
  constexpr int some = kMR > 8 ? 8 : kMR, few = kMR > 4 ? 4 : kMR;
  const bool two = cols > FT_VL;
  const auto run = rows <= few    ? two ? micro<M, few, 2, B> : micro<M, few, 1, B>
                   : rows <= some ? two ? micro<M, some, 2, B> : micro<M, some, 1, B>
                   : two          ? micro<M, kMR, 2, B>
                                  : micro<M, kMR, 1, B>;
  run(a, b, words, c, ldc, rows, cols, add);
}

constexpr int kMB = 10 * kMR;  // rows of A packed at a time
constexpr int kNB = 12 * kNR;  // columns of B packed at a time; both packings stay in the L2 cache

inline GemmCut gemm_cut(const Gemm&) { return {kMR, kNR}; }
inline size_t gemm_packed(const Gemm&) { return 0; }
inline void gemm_pack(const Gemm&, int, int, uint8_t*) {}
inline size_t gemm_scratch(const Gemm& g) {
  size_t words = static_cast<size_t>(kKB) * kNB + static_cast<size_t>(kMB) * kKB + 64;
  if (g.c.type == Dtype::BF16) words += static_cast<size_t>(g.m) * kNB;
  return words * sizeof(float);
}

// Few rows (LoRA's gradients: as many as the rank) are sooner done with B as it lies than with B packed.
inline bool unpacked(const Segment& s, int rows) { return !s.trans && s.b.type != Dtype::Q8 && rows <= 3 * kMR; }

// Columns nc .. ne (at most kNB) of the product, in f32 at c.
template <class M>
inline void gemm_columns(const Gemm& g, int m0, int m1, int nc, int ne, float* c, int64_t ldc, bool add,
    typename M::Word* panels, typename M::Word* rows) {
  for (int si = 0; si < g.segments; si++) {
    const Segment& s = g.seg[si];
    for (int k0 = 0; k0 < s.a.cols; k0 += kKB * M::kPer) {
      const int count = s.a.cols - k0 < kKB * M::kPer ? s.a.cols - k0 : kKB * M::kPer;
      const int words = (count + M::kPer - 1) / M::kPer;
      // columns past the last whole panel are packed in any case: more must not be read
      const int as_is = unpacked(s, m1 - m0) ? nc + (ne - nc) / kNR * kNR : nc;
      for (int n = as_is; n < ne; n += kNR)
        pack_b(s, k0, count, n, ne - n < kNR ? ne - n : kNR, panels + static_cast<int64_t>(n - nc) * kKB);
      for (int mb = m0; mb < m1; mb += kMB) {
        const int me = mb + kMB < m1 ? mb + kMB : m1;
        for (int m = mb; m < me; m += kMR)
          pack_a<M>(s.a, m, me - m < kMR ? me - m : kMR, k0, count, rows + static_cast<int64_t>(m - mb) * kKB);
        for (int n = nc; n < ne; n += kNR) {
          const int cols = ne - n < kNR ? ne - n : kNR;
          for (int m = mb; m < me; m += kMR) {
            const typename M::Word* a = rows + static_cast<int64_t>(m - mb) * kKB;
            float* to = c + (m - m0) * ldc + (n - nc);
            const int high = me - m < kMR ? me - m : kMR;
            const auto tile = [&](const auto& b) { micro_of<M>(a, b, words, to, ldc, high, cols, add); };
            const auto lies = [&](const auto* b) {
              tile(AsIs<M, std::decay_t<decltype(*b)>>{b + k0 * s.b.ld + n, s.b.ld, count});
            };
            if (n >= as_is) tile(Panel<M>{panels + static_cast<int64_t>(n - nc) * kKB});
            else if (s.b.type == Dtype::BF16) lies(static_cast<const bf16_t*>(s.b.data));
            else if constexpr (M::kPer == 1) lies(static_cast<const float*>(s.b.data));
          }
        }
      }
      add = true;
    }
  }
}

template <class M>
inline void gemm_of(const Gemm& g, int m0, int m1, int n0, int n1, Scratch& scratch) {
  auto* panels = reinterpret_cast<typename M::Word*>(scratch.data);
  auto* rows = panels + static_cast<int64_t>(kKB) * kNB;
  float* out = reinterpret_cast<float*>(rows + static_cast<int64_t>(kMB) * kKB);
  for (int nc = n0; nc < n1; nc += kNB) {
    const int ne = nc + kNB < n1 ? nc + kNB : n1;
    if (g.c.type == Dtype::F32) {
      gemm_columns<M>(
          g, m0, m1, nc, ne, static_cast<float*>(g.c.data) + m0 * g.c.ld + nc, g.c.ld, g.accumulate, panels, rows);
      continue;
    }
    gemm_columns<M>(g, m0, m1, nc, ne, out, kNB, false, panels, rows);
    for (int m = m0; m < m1; m++) {
      bf16_t* c = static_cast<bf16_t*>(g.c.data) + m * g.c.ld + nc;
      const float* x = out + static_cast<int64_t>(m - m0) * kNB;
      int j = 0;
      for (; j + FT_VL <= ne - nc; j += FT_VL) vstore(c + j, vload(x + j));
      for (; j < ne - nc; j++) c[j] = f32_to_bf16(x[j]);
    }
  }
}

inline bool in_bf16(const Segment& s) { return s.a.type == Dtype::BF16 && s.b.type == Dtype::BF16; }

inline void gemm(const Gemm& g, const uint8_t*, int m0, int m1, int n0, int n1, Scratch& scratch) {
  if (in_bf16(g.seg[0]) && (g.segments == 1 || in_bf16(g.seg[1])))
    gemm_of<ProductsOf<bf16_t>::Type>(g, m0, m1, n0, n1, scratch);
  else gemm_of<Singles>(g, m0, m1, n0, n1, scratch);
}
