// Causal attention of one sequence and one kv head with its query heads, in f32, without the T x T matrix: blocks of
// kQB query rows against blocks of kCB keys with an online softmax; the backward pass recomputes the probabilities from
// lse.
constexpr int kQB = 32, kCB = 64;

// The first key that query `t` sees.
inline int first_key(const Attention& a, int t) { return a.window > 0 && t >= a.window ? t - a.window + 1 : 0; }

inline size_t attention_scratch(const Attention& a, int max_len) {
  const size_t d = round_up(a.head_dim, FT_VL), len = round_up(max_len, kCB);
  // forward: k^T and v of the sequence; backward: k, v, k^T, v^T, dk, dv of it; blocks of q, o, do, dq, s, dp
  return sizeof(float) * (6 * d * len + 5 * kQB * d + 3 * kQB * kCB + 4 * kQB) + 1024;
}

template <class T>
inline void head_rows(const View& x, int64_t t0, int rows, int col, int d, int dp, float mul, float* out) {
  for (int t = 0; t < rows; t++, out += dp) {
    const T* from = row_ptr<T>(x, t0 + t) + col;
    FT_LOOP(d, vstore(out + i, vload(from + i) * mul), out[i] = load1(from + i) * mul)
    for (int i = d; i < dp; i++) out[i] = 0;
  }
}
template <class T>
inline void head_out(const float* x, int dp, const View& to, int64_t t0, int rows, int col, int d) {
  for (int t = 0; t < rows; t++, x += dp) {
    T* o = row_ptr<T>(to, t0 + t) + col;
    FT_LOOP(d, vstore(o + i, vload(x + i)), store1(o + i, x[i]))
  }
}
// Rows and columns in fours.
inline void transpose(const float* x, int rows, int cols, int64_t ldx, float* out, int64_t ldo) {
  for (int r = 0; r < rows; r += 4)
    for (int c = 0; c < cols; c += 4) {
      vi4 square[4];
      for (int i = 0; i < 4; i++) std::memcpy(&square[i], x + (r + i) * ldx + c, sizeof square[i]);
      turn(square);
      for (int i = 0; i < 4; i++) std::memcpy(out + (c + i) * ldo + r, &square[i], sizeof square[i]);
    }
}

// W vectors of columns of 4 rows of C, of which `rows` exist; see small_gemm.
template <bool AT, bool ADD, int W>
inline void small_tile(
    const float* a, int64_t lda, const float* b, int64_t ldb, int rows, int depth, float* c, int64_t ldc) {
  constexpr int R = 4;
  const float* row[R];
  for (int i = 0; i < R; i++) row[i] = a + (i < rows ? i : 0) * (AT ? 1 : lda);
  vf acc[R][W] = {};
  for (int64_t k = 0; k < depth; k++, b += ldb) {
    vf column[W];
#pragma GCC unroll 4
    for (int j = 0; j < W; j++) column[j] = vload(b + j * FT_VL);
#pragma GCC unroll 4
    for (int i = 0; i < R; i++) {
      const vf x = vset(row[i][AT ? k * lda : k]);
#pragma GCC unroll 4
      for (int j = 0; j < W; j++) acc[i][j] += x * column[j];
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < R; i++) {
    if (i >= rows) break;
#pragma GCC unroll 4
    for (int j = 0; j < W; j++) {
      float* o = c + i * ldc + j * FT_VL;
      vstore(o, ADD ? vload(o) + acc[i][j] : acc[i][j]);
    }
  }
}

// C[r, 0:n) (+)= sum_k A[r, k] B[k, 0:n), n a multiple of FT_VL. AT: A is read as A[k, r].
template <bool AT, bool ADD>
inline void small_gemm(
    const float* a, int64_t lda, const float* b, int64_t ldb, int rows, int depth, int n, float* c, int64_t ldc) {
  constexpr int W = FT_MR < 8 ? 2 : 4;  // as many sums as there are registers for
  for (int r = 0; r < rows; r += 4) {
    const float* from = a + r * (AT ? 1 : lda);
    const int left = rows - r < 4 ? rows - r : 4;
    int j = 0;
    for (; j + W * FT_VL <= n; j += W * FT_VL)
      small_tile<AT, ADD, W>(from, lda, b + j, ldb, left, depth, c + r * ldc + j, ldc);
    for (; j < n; j += FT_VL) small_tile<AT, ADD, 1>(from, lda, b + j, ldb, left, depth, c + r * ldc + j, ldc);
  }
}

template <class T>
inline void attention_fwd_t(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  const int d = a.head_dim, dp = round_up(d, FT_VL), lp = round_up(len, kCB);
  float* kt = reinterpret_cast<float*>(scratch.data);  // [dp][lp]
  float* v = kt + static_cast<int64_t>(dp) * lp;       // [lp][dp]
  float* q = v + static_cast<int64_t>(dp) * lp;
  float* o = q + kQB * dp;
  float* s = o + kQB * dp;  // [kQB][kCB]
  float tmp[4096] = {};
  for (int t = 0; t < len; t += 4) {
    const int n = len - t < 4 ? len - t : 4;
    head_rows<T>(a.k, t0 + t, n, kvh * d, d, dp, 1.0f, tmp);
    transpose(tmp, 4, dp, dp, kt + t, lp);
  }
  for (int i = 0; i < dp; i++)
    for (int t = len; t < lp; t++) kt[static_cast<int64_t>(i) * lp + t] = 0;
  head_rows<T>(a.v, t0, len, kvh * d, d, dp, 1.0f, v);
  const int group = a.heads / a.kv_heads;
  for (int h = kvh * group; h < (kvh + 1) * group; h++) {
    for (int q0 = 0; q0 < len; q0 += kQB) {
      const int qn = len - q0 < kQB ? len - q0 : kQB;
      head_rows<T>(a.q, t0 + q0, qn, h * d, d, dp, a.scale, q);
      float mx[kQB], sum[kQB];
      for (int i = 0; i < qn; i++) mx[i] = -INFINITY, sum[i] = 0;
      std::memset(o, 0, sizeof(float) * kQB * dp);
      for (int c0 = first_key(a, q0) / kCB * kCB; c0 < q0 + qn; c0 += kCB) {
        const int cn = q0 + qn - c0 < kCB ? q0 + qn - c0 : kCB, cp = round_up(cn, FT_VL);
        small_gemm<false, false>(q, dp, kt + c0, lp, qn, d, cp, s, kCB);
        for (int i = 0; i < qn; i++) {
          float* r = s + i * kCB;
          const int valid = q0 + i + 1 - c0 < cn ? q0 + i + 1 - c0 : cn;
          const int unseen = first_key(a, q0 + i) - c0;
          if (unseen >= cn) {
            std::memset(r, 0, sizeof(float) * cp);
            continue;
          }
          if (a.softcap > 0)
            for (int j = 0; j < cp; j += FT_VL) vstore(r + j, vcap(vload(r + j), a.softcap));
          for (int j = valid < 0 ? 0 : valid; j < cp; j++) r[j] = -INFINITY;
          for (int j = 0; j < unseen; j++) r[j] = -INFINITY;
          vf m = vset(mx[i]);
          for (int j = 0; j < cp; j += FT_VL) m = vmax(m, vload(r + j));
          float best = mx[i];
          for (int j = 0; j < FT_VL; j++) best = m[j] > best ? m[j] : best;
          const float re = mx[i] == -INFINITY ? 0.0f : exp1(mx[i] - best);
          vf acc = vset(0);
          for (int j = 0; j < cp; j += FT_VL) {
            const vf e = vexp(vload(r + j) - best);
            acc += e;
            vstore(r + j, e);
          }
          sum[i] = sum[i] * re + vsum(acc);
          mx[i] = best;
          if (re != 1.0f)
            for (int j = 0; j < dp; j += FT_VL) vstore(o + i * dp + j, vload(o + i * dp + j) * re);
        }
        small_gemm<false, true>(s, kCB, v + static_cast<int64_t>(c0) * dp, dp, qn, cn, dp, o, dp);
      }
      for (int i = 0; i < qn; i++) {
        a.lse[static_cast<int64_t>(h) * a.ld_lse + t0 + q0 + i] = mx[i] + std::log(sum[i]);
        const float inv = 1.0f / sum[i];
        for (int j = 0; j < dp; j += FT_VL) vstore(o + i * dp + j, vload(o + i * dp + j) * inv);
      }
      head_out<T>(o, dp, a.out, t0 + q0, qn, h * d, d);
    }
  }
}

// r: scores to probabilities, g: their gradients to those of the scores.
template <bool CAP>
inline void softmax_back_row(float* r, float* g, float lse, float delta, int n, float cap) {
  for (int j = 0; j < n; j += FT_VL) {
    const vf s = CAP ? vcap(vload(r + j), cap) : vload(r + j), e = vexp(s - lse), ds = e * (vload(g + j) - delta);
    vstore(r + j, e);
    vstore(g + j, CAP ? ds * vcap_slope(s, cap) : ds);
  }
}

// p = exp(s - lse); dv += p^T do; dp = do v^T; ds = p (dp - sum(do * o)); dq = ds k; dk += ds^T q
template <class T>
inline void attention_bwd_t(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  const int d = a.head_dim, dp = round_up(d, FT_VL), lp = round_up(len, kCB);
  const int64_t plane = static_cast<int64_t>(dp) * lp;
  float* kt = reinterpret_cast<float*>(scratch.data);
  float *k = kt + plane, *v = k + plane, *vt = v + plane, *dk = vt + plane, *dv = dk + plane;
  float *q = dv + plane, *o = q + kQB * dp, *go = o + kQB * dp, *dq = go + kQB * dp;
  float *p = dq + kQB * dp, *ds = p + kQB * kCB;
  head_rows<T>(a.k, t0, len, kvh * d, d, dp, 1.0f, k);
  head_rows<T>(a.v, t0, len, kvh * d, d, dp, 1.0f, v);
  std::memset(k + static_cast<int64_t>(len) * dp, 0, sizeof(float) * (lp - len) * dp);
  std::memset(v + static_cast<int64_t>(len) * dp, 0, sizeof(float) * (lp - len) * dp);
  transpose(k, lp, dp, dp, kt, lp);
  transpose(v, lp, dp, dp, vt, lp);
  std::memset(dk, 0, sizeof(float) * 2 * plane);
  const int group = a.heads / a.kv_heads;
  for (int h = kvh * group; h < (kvh + 1) * group; h++) {
    for (int q0 = 0; q0 < len; q0 += kQB) {
      const int qn = len - q0 < kQB ? len - q0 : kQB;
      head_rows<T>(a.q, t0 + q0, qn, h * d, d, dp, a.scale, q);
      head_rows<T>(a.out, t0 + q0, qn, h * d, d, dp, 1.0f, o);
      head_rows<T>(a.dout, t0 + q0, qn, h * d, d, dp, 1.0f, go);
      float delta[kQB];
      for (int i = 0; i < qn; i++) {
        vf acc = vset(0);
        for (int j = 0; j < dp; j += FT_VL) acc += vload(o + i * dp + j) * vload(go + i * dp + j);
        delta[i] = vsum(acc);
      }
      std::memset(dq, 0, sizeof(float) * kQB * dp);
      for (int c0 = first_key(a, q0) / kCB * kCB; c0 < q0 + qn; c0 += kCB) {
        const int cn = q0 + qn - c0 < kCB ? q0 + qn - c0 : kCB, cp = round_up(cn, FT_VL);
        small_gemm<false, false>(q, dp, kt + c0, lp, qn, d, cp, p, kCB);
        small_gemm<false, false>(go, dp, vt + c0, lp, qn, d, cp, ds, kCB);
        for (int i = 0; i < qn; i++) {
          float *r = p + i * kCB, *g = ds + i * kCB;
          const float l = a.lse[static_cast<int64_t>(h) * a.ld_lse + t0 + q0 + i];
          const int valid = q0 + i + 1 - c0 < cn ? q0 + i + 1 - c0 : cn;
          if (a.softcap > 0) softmax_back_row<true>(r, g, l, delta[i], cp, a.softcap);
          else softmax_back_row<false>(r, g, l, delta[i], cp, 0);
          for (int j = valid < 0 ? 0 : valid; j < cp; j++) r[j] = g[j] = 0;
          for (int j = 0; j < cp && c0 + j < first_key(a, q0 + i); j++) r[j] = g[j] = 0;
        }
        small_gemm<true, true>(p, kCB, go, dp, cn, qn, dp, dv + static_cast<int64_t>(c0) * dp, dp);
        small_gemm<true, true>(ds, kCB, q, dp, cn, qn, dp, dk + static_cast<int64_t>(c0) * dp, dp);
        small_gemm<false, true>(ds, kCB, k + static_cast<int64_t>(c0) * dp, dp, qn, cn, dp, dq, dp);
      }
      for (int i = 0; i < qn * dp; i += FT_VL) vstore(dq + i, vload(dq + i) * a.scale);
      head_out<T>(dq, dp, a.dq, t0 + q0, qn, h * d, d);
    }
  }
  head_out<T>(dk, dp, a.dk, t0, len, kvh * d, d);
  head_out<T>(dv, dp, a.dv, t0, len, kvh * d, d);
}

inline void attention_fwd(const Attention& a, int t0, int len, int kvh, Scratch& s) {
  FT_DISPATCH(attention_fwd, a.q.type, a, t0, len, kvh, s);
}
inline void attention_bwd(const Attention& a, int t0, int len, int kvh, Scratch& s) {
  FT_DISPATCH(attention_bwd, a.q.type, a, t0, len, kvh, s);
}
