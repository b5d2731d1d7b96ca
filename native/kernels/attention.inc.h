// Causal attention of one sequence and one kv head with its query heads, without the T x T matrix: blocks of kQB query
// rows against blocks of kCB keys with an online softmax; the backward pass recomputes the probabilities from lse. In
// pairs (words.inc.h) probabilities and gradients are rounded to bf16, and the scores are scaled instead of the
// queries.
constexpr int kQB = 32, kCB = 64;

// The first key that query `t` sees.
inline int first_key(const Attention& a, int t) { return a.window > 0 && t >= a.window ? t - a.window + 1 : 0; }

inline size_t attention_scratch(const Attention& a, int max_len) {
  const size_t d = round_up(a.head_dim, FT_VL), len = round_up(max_len, kCB);
  // of the sequence: forward k^T, v and its words; backward k^T, v^T, k and its words, dk, dv. Blocks: q, o, do, dq in
  // f32, q and do in words of both kinds; s, dp, and words of both.
  return sizeof(float) * (6 * d * len + 8 * kQB * d + 4 * kQB * kCB) + 2048;
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
// Words; rows and columns in fours.
template <class T>
inline void transpose(const T* x, int rows, int cols, int64_t ldx, T* out, int64_t ldo) {
  for (int r = 0; r < rows; r += 4)
    for (int c = 0; c < cols; c += 4) {
      vi4 square[4];
      for (int i = 0; i < 4; i++) std::memcpy(&square[i], x + (r + i) * ldx + c, sizeof square[i]);
      turn(square);
      for (int i = 0; i < 4; i++) std::memcpy(out + (c + i) * ldo + r, &square[i], sizeof square[i]);
    }
}

// W vectors of columns of 4 rows of C, of which `rows` exist; see small_gemm.
template <class M, bool AT, bool ADD, int W>
inline void small_tile(const typename M::Word* a, int64_t lda, const typename M::Word* b, int64_t ldb, int rows,
    int depth, float* c, int64_t ldc) {
  constexpr int R = 4;
  const typename M::Word* row[R];
  for (int i = 0; i < R; i++) row[i] = a + (i < rows ? i : 0) * (AT ? 1 : lda);
  vf acc[R][W] = {};
  for (int64_t k = 0; k < depth; k++, b += ldb) {
    decltype(M::load(b)) column[W];
#pragma GCC unroll 4
    for (int j = 0; j < W; j++) column[j] = M::load(b + j * FT_VL);
#pragma GCC unroll 4
    for (int i = 0; i < R; i++) {
      const auto x = M::all(row[i][AT ? k * lda : k]);
#pragma GCC unroll 4
      for (int j = 0; j < W; j++) acc[i][j] = M::mad(acc[i][j], x, column[j]);
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

// C[r, 0:n) (+)= sum_k A[r, k] B[k, 0:n) over words k, n a multiple of FT_VL. AT: A is read as A[k, r].
template <class M, bool AT, bool ADD>
inline void small_gemm(const typename M::Word* a, int64_t lda, const typename M::Word* b, int64_t ldb, int rows,
    int depth, int n, float* c, int64_t ldc) {
  constexpr int W = FT_MR < 8 ? 2 : 4;  // as many sums as there are registers for
  for (int r = 0; r < rows; r += 4) {
    const typename M::Word* from = a + r * (AT ? 1 : lda);
    const int left = rows - r < 4 ? rows - r : 4;
    int j = 0;
    for (; j + W * FT_VL <= n; j += W * FT_VL)
      small_tile<M, AT, ADD, W>(from, lda, b + j, ldb, left, depth, c + r * ldc + j, ldc);
    for (; j < n; j += FT_VL) small_tile<M, AT, ADD, 1>(from, lda, b + j, ldb, left, depth, c + r * ldc + j, ldc);
  }
}

// Words of a head's rows t0 .. t0 + len, turned: [dp / kPer][lp], columns past the end zero.
template <class T, class M>
inline void head_turned(const View& x, int64_t t0, int len, int lp, int col, int d, int dp, typename M::Word* out) {
  constexpr int kRows = 4, kMost = 1024;
  float rows[kRows * kMost] = {};
  typename M::Word words[kRows * kMost];
  for (int t = 0; t < lp; t += kRows) {
    if (t + kRows > len) std::memset(rows, 0, sizeof(float) * kRows * dp);
    if (t < len) head_rows<T>(x, t0 + t, len - t < kRows ? len - t : kRows, col, d, dp, 1.0f, rows);
    transpose(M::along(rows, kRows, dp, dp, words), kRows, dp / M::kPer, dp / M::kPer, out + t, lp);
  }
}

// The same rows side by side: [lp / kPer][dp]. `rows` is room for all of them, and for Singles where they end up.
template <class T, class M>
inline const typename M::Word* head_words(
    const View& x, int64_t t0, int len, int lp, int col, int d, int dp, float* rows, typename M::Word* out) {
  head_rows<T>(x, t0, len, col, d, dp, 1.0f, rows);
  std::memset(rows + static_cast<int64_t>(len) * dp, 0, sizeof(float) * (lp - len) * dp);
  return M::across(rows, lp, dp, dp, out);
}

// Carves aligned arrays out of the scratch of a thread.
struct Carver {
  uint8_t* at;
  template <class T>
  T* take(size_t count) {
    T* p = reinterpret_cast<T*>(at);
    at += (count * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

template <class T, class M = typename ProductsOf<T>::Type>
inline void attention_fwd_t(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  using Word = typename M::Word;
  constexpr int kPer = M::kPer;
  const int d = a.head_dim, dp = round_up(d, FT_VL), lp = round_up(len, kCB), depth = (d + kPer - 1) / kPer;
  const int64_t plane = static_cast<int64_t>(dp) * lp;
  Carver carve{scratch.data};
  Word* kt = carve.take<Word>(plane / kPer);
  float* rows = carve.take<float>(plane);
  Word* pairs = carve.take<Word>(plane / kPer);
  float *q = carve.take<float>(kQB * dp), *o = carve.take<float>(kQB * dp), *s = carve.take<float>(kQB * kCB);
  Word *q_room = carve.take<Word>(kQB * dp), *p_room = carve.take<Word>(kQB * kCB);
  head_turned<T, M>(a.k, t0, len, lp, kvh * d, d, dp, kt);
  const Word* v = head_words<T, M>(a.v, t0, len, lp, kvh * d, d, dp, rows, pairs);
  const int group = a.heads / a.kv_heads;
  for (int h = kvh * group; h < (kvh + 1) * group; h++) {
    for (int q0 = 0; q0 < len; q0 += kQB) {
      const int qn = len - q0 < kQB ? len - q0 : kQB;
      head_rows<T>(a.q, t0 + q0, qn, h * d, d, dp, kPer == 1 ? a.scale : 1.0f, q);
      const Word* qw = M::along(q, qn, dp, dp, q_room);
      float mx[kQB], sum[kQB];
      for (int i = 0; i < qn; i++) mx[i] = -INFINITY, sum[i] = 0;
      std::memset(o, 0, sizeof(float) * kQB * dp);
      for (int c0 = first_key(a, q0) / kCB * kCB; c0 < q0 + qn; c0 += kCB) {
        const int cn = q0 + qn - c0 < kCB ? q0 + qn - c0 : kCB, cp = round_up(cn, FT_VL);
        small_gemm<M, false, false>(qw, dp / kPer, kt + c0, lp, qn, depth, cp, s, kCB);
        for (int i = 0; i < qn; i++) {
          float* r = s + i * kCB;
          const int valid = q0 + i + 1 - c0 < cn ? q0 + i + 1 - c0 : cn;
          const int unseen = first_key(a, q0 + i) - c0;
          if (unseen >= cn) {
            std::memset(r, 0, sizeof(float) * cp);
            continue;
          }
          if (kPer > 1)
            for (int j = 0; j < cp; j += FT_VL) vstore(r + j, vload(r + j) * a.scale);
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
        const Word* p = M::along(s, qn, kCB, kCB, p_room);
        small_gemm<M, false, true>(
            p, kCB / kPer, v + static_cast<int64_t>(c0) / kPer * dp, dp, qn, (cn + kPer - 1) / kPer, dp, o, dp);
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

// r: scores (times 1 / scale) to probabilities, g: their gradients to those of the scores.
template <bool CAP>
inline void softmax_back_row(float* r, float* g, float scale, float lse, float delta, int n, float cap) {
  for (int j = 0; j < n; j += FT_VL) {
    const vf x = vload(r + j) * scale, s = CAP ? vcap(x, cap) : x, e = vexp(s - lse), ds = e * (vload(g + j) - delta);
    vstore(r + j, e);
    vstore(g + j, CAP ? ds * vcap_slope(s, cap) : ds);
  }
}

// p = exp(s - lse); dv += p^T do; dp = do v^T; ds = p (dp - sum(do * o)); dq = ds k; dk += ds^T q
template <class T, class M = typename ProductsOf<T>::Type>
inline void attention_bwd_t(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  using Word = typename M::Word;
  constexpr int kPer = M::kPer;
  const int d = a.head_dim, dp = round_up(d, FT_VL), lp = round_up(len, kCB), depth = (d + kPer - 1) / kPer;
  const int64_t plane = static_cast<int64_t>(dp) * lp;
  Carver carve{scratch.data};
  Word *kt = carve.take<Word>(plane / kPer), *vt = carve.take<Word>(plane / kPer);
  float *rows = carve.take<float>(plane), *dk = carve.take<float>(plane), *dv = carve.take<float>(plane);
  Word* pairs = carve.take<Word>(plane / kPer);
  float *q = carve.take<float>(kQB * dp), *o = carve.take<float>(kQB * dp), *go = carve.take<float>(kQB * dp);
  float *dq = carve.take<float>(kQB * dp), *p = carve.take<float>(kQB * kCB), *ds = carve.take<float>(kQB * kCB);
  Word *along_room = carve.take<Word>(kQB * dp), *across_room = carve.take<Word>(kQB * dp);
  Word *go_along_room = carve.take<Word>(kQB * dp), *go_across_room = carve.take<Word>(kQB * dp);
  Word *p_room = carve.take<Word>(kQB * kCB), *ds_room = carve.take<Word>(kQB * kCB);
  head_turned<T, M>(a.k, t0, len, lp, kvh * d, d, dp, kt);
  head_turned<T, M>(a.v, t0, len, lp, kvh * d, d, dp, vt);
  const Word* k = head_words<T, M>(a.k, t0, len, lp, kvh * d, d, dp, rows, pairs);
  std::memset(dk, 0, sizeof(float) * plane);
  std::memset(dv, 0, sizeof(float) * plane);
  const int group = a.heads / a.kv_heads;
  const float before = kPer == 1 ? a.scale : 1.0f, after = kPer == 1 ? 1.0f : a.scale;  // of the queries, the scores
  for (int h = kvh * group; h < (kvh + 1) * group; h++) {
    for (int q0 = 0; q0 < len; q0 += kQB) {
      const int qn = len - q0 < kQB ? len - q0 : kQB, qr = round_up(qn, kPer), pairs_of_q = qr / kPer;
      if (qn < qr) {
        std::memset(q + qn * dp, 0, sizeof(float) * dp);
        std::memset(go + qn * dp, 0, sizeof(float) * dp);
      }
      head_rows<T>(a.q, t0 + q0, qn, h * d, d, dp, before, q);
      head_rows<T>(a.out, t0 + q0, qn, h * d, d, dp, 1.0f, o);
      head_rows<T>(a.dout, t0 + q0, qn, h * d, d, dp, 1.0f, go);
      const Word *q_along = M::along(q, qn, dp, dp, along_room), *q_across = M::across(q, qr, dp, dp, across_room);
      const Word* go_along = M::along(go, qn, dp, dp, go_along_room);
      const Word* go_across = M::across(go, qr, dp, dp, go_across_room);
      float delta[kQB];
      for (int i = 0; i < qn; i++) {
        vf acc = vset(0);
        for (int j = 0; j < dp; j += FT_VL) acc += vload(o + i * dp + j) * vload(go + i * dp + j);
        delta[i] = vsum(acc);
      }
      std::memset(dq, 0, sizeof(float) * kQB * dp);
      for (int c0 = first_key(a, q0) / kCB * kCB; c0 < q0 + qn; c0 += kCB) {
        const int cn = q0 + qn - c0 < kCB ? q0 + qn - c0 : kCB, cp = round_up(cn, FT_VL);
        small_gemm<M, false, false>(q_along, dp / kPer, kt + c0, lp, qn, depth, cp, p, kCB);
        small_gemm<M, false, false>(go_along, dp / kPer, vt + c0, lp, qn, depth, cp, ds, kCB);
        for (int i = 0; i < qn; i++) {
          float *r = p + i * kCB, *g = ds + i * kCB;
          const float l = a.lse[static_cast<int64_t>(h) * a.ld_lse + t0 + q0 + i];
          const int valid = q0 + i + 1 - c0 < cn ? q0 + i + 1 - c0 : cn;
          if (a.softcap > 0) softmax_back_row<true>(r, g, after, l, delta[i], cp, a.softcap);
          else softmax_back_row<false>(r, g, after, l, delta[i], cp, 0);
          for (int j = valid < 0 ? 0 : valid; j < cp; j++) r[j] = g[j] = 0;
          for (int j = 0; j < cp && c0 + j < first_key(a, q0 + i); j++) r[j] = g[j] = 0;
        }
        for (int i = qn; i < qr; i++)
          for (int j = 0; j < cp; j++) p[i * kCB + j] = ds[i * kCB + j] = 0;
        const Word *p_across = M::across(p, qr, kCB, kCB, p_room), *ds_across = M::across(ds, qr, kCB, kCB, ds_room);
        small_gemm<M, true, true>(
            p_across, kCB, go_across, dp, cn, pairs_of_q, dp, dv + static_cast<int64_t>(c0) * dp, dp);
        small_gemm<M, true, true>(
            ds_across, kCB, q_across, dp, cn, pairs_of_q, dp, dk + static_cast<int64_t>(c0) * dp, dp);
        const Word* ds_along = M::along(ds, qn, kCB, kCB, p_room);
        small_gemm<M, false, true>(
            ds_along, kCB / kPer, k + static_cast<int64_t>(c0) / kPer * dp, dp, qn, (cn + kPer - 1) / kPer, dp, dq, dp);
      }
      for (int i = 0; i < qn * dp; i += FT_VL) vstore(dq + i, vload(dq + i) * a.scale);
      head_out<T>(dq, dp, a.dq, t0 + q0, qn, h * d, d);
    }
  }
  for (int64_t i = 0; kPer > 1 && i < static_cast<int64_t>(len) * dp; i += FT_VL) vstore(dk + i, vload(dk + i) * after);
  convert({Dtype::F32, d, dp, dk}, a.dk.from(t0).columns(kvh * d, d), 0, len);
  convert({Dtype::F32, d, dp, dv}, a.dv.from(t0).columns(kvh * d, d), 0, len);
}

inline void attention_fwd(const Attention& a, int t0, int len, int kvh, Scratch& s) {
  FT_DISPATCH(attention_fwd, a.q.type, a, t0, len, kvh, s);
}
inline void attention_bwd(const Attention& a, int t0, int len, int kvh, Scratch& s) {
  FT_DISPATCH(attention_bwd, a.q.type, a, t0, len, kvh, s);
}
