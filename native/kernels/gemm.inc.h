// The f32 matrix product of a set: B packed into panels of 2 vectors, MR rows of A against a panel at a time. Operands in
// bf16 and int8 are widened to f32 while they are packed, so this is also what precision int8 runs on where there is no
// better instruction.
constexpr int kNR = 2 * FT_VL;
constexpr int kMR = FT_MR;
constexpr int kKB = 256;  // depth of a packed block: a panel stays in the L1 cache

inline float mat_at(const Mat& b, int64_t row, int64_t col) {
  switch (b.type) {
    case Dtype::F32: return static_cast<const float*>(b.data)[row * b.ld + col];
    case Dtype::BF16: return bf16_to_f32(static_cast<const bf16_t*>(b.data)[row * b.ld + col]);
    default: return static_cast<const int8_t*>(b.data)[row * b.ld + col] * b.scale[row * (b.ld / kGroup) + col / kGroup];
  }
}

// `count` values of row `row` from column `col` on, as f32.
inline void mat_row(const Mat& b, int64_t row, int64_t col, int count, float* out) {
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

template <int M>
inline void micro(const float* const* a, const float* b, int kb, vf (&acc)[M][2]) {
  for (int k = 0; k < kb; k++, b += kNR) {
    const vf b0 = vload(b), b1 = vload(b + FT_VL);
    for (int i = 0; i < M; i++) {
      const vf x = vset(a[i][k]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
  }
}

// C[m0 : m0 + M, n0 : n0 + nr] (+)= A block * panel
template <int M>
inline void micro_block(const Gemm& g, const float* const* a, const float* panel, int kb, int m, int n, int nr, bool add) {
  vf acc[M][2] = {};
  micro<M>(a, panel, kb, acc);
  for (int i = 0; i < M; i++) {
    float* c = static_cast<float*>(g.c) + (m + i) * g.ldc + n;
    if (nr == kNR) {
      vstore(c, add ? vload(c) + acc[i][0] : acc[i][0]);
      vstore(c + FT_VL, add ? vload(c + FT_VL) + acc[i][1] : acc[i][1]);
    } else {
      float t[kNR];
      vstore(t, acc[i][0]);
      vstore(t + FT_VL, acc[i][1]);
      for (int j = 0; j < nr; j++) c[j] = add ? c[j] + t[j] : t[j];
    }
  }
}

template <int M>
inline void micro_rows(int rows, const Gemm& g, const float* const* a, const float* panel, int kb, int m, int n, int nr, bool add) {
  if (rows == M) micro_block<M>(g, a, panel, kb, m, n, nr, add);
  else if constexpr (M > 1) micro_rows<M - 1>(rows, g, a, panel, kb, m, n, nr, add);
}

constexpr int kMB = 10 * kMR;  // rows of A widened at a time

inline GemmCut gemm_cut(const Gemm&) { return {kMB, kNR}; }
inline size_t gemm_scratch(const Gemm& g) {
  size_t bytes = sizeof(float) * (kKB * kNR + static_cast<size_t>(kMB) * kKB);
  if (g.c_type == Dtype::BF16) bytes += sizeof(float) * static_cast<size_t>(round_up(g.m, kMB)) * kNR;
  return bytes + 256;
}

inline void gemm(const Gemm& g, int m0, int m1, int n0, int n1, Scratch& scratch) {
  float* panel = reinterpret_cast<float*>(scratch.data);
  float* wide = panel + kKB * kNR;
  float* out32 = wide + kMB * kKB;
  for (int n = n0; n < n1; n += kNR) {
    const int nr = n1 - n < kNR ? n1 - n : kNR;
    Gemm t = g;  // where the product goes: C itself, or f32 scratch on its way to bf16
    int cm = 0, cn = n;
    if (g.c_type == Dtype::BF16) {
      t.c = out32;
      t.ldc = kNR;
      t.c_type = Dtype::F32;
      t.accumulate = false;
      cm = -m0;
      cn = 0;
    }
    bool add = t.accumulate;
    for (int si = 0; si < g.segments; si++) {
      const Segment& s = g.seg[si];
      for (int k0 = 0; k0 < s.k; k0 += kKB) {
        const int kb = s.k - k0 < kKB ? s.k - k0 : kKB;
        pack_b(s, k0, kb, n, nr, panel);
        for (int mb = m0; mb < m1; mb += kMB) {
          const int me = mb + kMB < m1 ? mb + kMB : m1;
          const float* base = static_cast<const float*>(s.a.data) + static_cast<int64_t>(mb) * s.a.ld + k0;
          int64_t lda = s.a.ld;
          if (s.a.type != Dtype::F32) {
            for (int i = mb; i < me; i++) mat_row(s.a, i, k0, kb, wide + static_cast<int64_t>(i - mb) * kKB);
            base = wide;
            lda = kKB;
          }
          for (int m = mb; m < me; m += kMR) {
            const float* rows[kMR];
            const int mr = me - m < kMR ? me - m : kMR;
            for (int i = 0; i < mr; i++) rows[i] = base + (m - mb + i) * lda;
            micro_rows<kMR>(mr, t, rows, panel, kb, m + cm, cn, nr, add);
          }
        }
        add = true;
      }
    }
    if (g.c_type == Dtype::BF16) {
      for (int m = m0; m < m1; m++) {
        bf16_t* c = static_cast<bf16_t*>(g.c) + m * g.ldc + n;
        const float* x = out32 + static_cast<int64_t>(m - m0) * kNR;
        int j = 0;
        for (; j + FT_VL <= nr; j += FT_VL) vstore(c + j, vload(x + j));
        for (; j < nr; j++) c[j] = f32_to_bf16(x[j]);
      }
    }
  }
}
