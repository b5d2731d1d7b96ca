// Causal attention on AMX tiles in bf16 with the softmax in f32, for heads of a multiple of 32 dimensions; the T x T
// matrix never exists. Scores are computed transposed, S^T = K Q^T, so that a vector holds 16 queries: maxima, sums and
// the factors of a query need no sums across lanes, and P^T and dS^T come out in the layout that the next product
// wants.

constexpr int kQChunk = 256;  // queries (backward) or keys (forward) whose scores exist at a time, 32 against them

// Rows t0 .. t0 + len of a head as [rows][d], zero up to `rows`.
inline void copy_head(const View& x, int t0, int len, int col, int d, int rows, bf16_t* out) {
  const bf16_t* from = row_ptr<bf16_t>(x, t0) + col;
  for (int t = 0; t < len; t++) std::memcpy(out + t * d, from + t * x.ld, sizeof(bf16_t) * d);
  std::memset(out + len * d, 0, sizeof(bf16_t) * (rows - len) * d);
}

// Tiles [rows / 16][d / 32] of x [rows][d] with the depth along d, and (if given) x^T [d][rows].
inline void pack_along(const bf16_t* x, int rows, int d, uint8_t* tiles, bf16_t* transposed) {
  for (int t = 0; t < rows; t += 16)
    for (int c = 0; c < d; c += 32) {
      __m512i r[16];
      for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(x + (t + i) * d + c);
      transpose16(r);
      for (int i = 0; i < 16; i++) {
        if (tiles) _mm512_store_si512(tiles + 64 * i, r[i]);
        if (!transposed) continue;
        bf16_t* to = transposed + static_cast<int64_t>(c + 2 * i) * rows + t;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(r[i]));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + rows), _mm512_cvtepi32_epi16(_mm512_srli_epi32(r[i], 16)));
      }
      if (tiles) tiles += kTileBytes;
    }
}

// Tiles [rows / 32][d / 16] of x [rows][d] with the depth along the rows.
inline void pack_across(const bf16_t* x, int rows, int d, uint8_t* tiles) {
  for (int t = 0; t < rows; t += 32)
    for (int c = 0; c < d; c += 16, tiles += kTileBytes)
      for (int i = 0; i < 16; i++) {
        const bf16_t* p = x + (t + 2 * i) * d + c;
        const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
        const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + d)));
        _mm512_store_si512(tiles + 64 * i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      }
}

// c [32][32] (row stride ldc floats) = [c +] a [32][32 steps] * tiles; a's row stride lda values, a step 32 values
// further; a step's two tiles are at b and b + 1024, the next step's b_step bytes further.
template <bool ADD>
inline void product32(
    const bf16_t* a, int64_t lda, const uint8_t* b, int64_t b_step, int steps, float* c, int64_t ldc) {
  float *c1 = c + 16, *c2 = c + 16 * ldc, *c3 = c2 + 16;
  if (ADD) {
    _tile_loadd(0, c, ldc * 4);
    _tile_loadd(1, c1, ldc * 4);
    _tile_loadd(2, c2, ldc * 4);
    _tile_loadd(3, c3, ldc * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int s = 0; s < steps; s++, a += 32, b += b_step) {
    _tile_loadd(4, a, lda * 2);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * lda, lda * 2);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, ldc * 4);
  _tile_stored(1, c1, ldc * 4);
  _tile_stored(2, c2, ldc * 4);
  _tile_stored(3, c3, ldc * 4);
}

// The same where a's tiles are d / 32 steps along a row and b's tiles are those of pack_along: [16 queries][d / 32].
inline void scores32(const bf16_t* a, int d, const uint8_t* b, float* c, int64_t ldc) {
  float *c1 = c + 16, *c2 = c + 16 * ldc, *c3 = c2 + 16;
  const int64_t next = static_cast<int64_t>(d / 32) * kTileBytes;  // from 16 queries to the next 16
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int s = 0; s < d / 32; s++, a += 32, b += kTileBytes) {
    _tile_loadd(4, a, d * 2);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + next, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * d, d * 2);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, ldc * 4);
  _tile_stored(1, c1, ldc * 4);
  _tile_stored(2, c2, ldc * 4);
  _tile_stored(3, c3, ldc * 4);
}

// out [rows][.] bf16, columns 0 .. 32 = x^T, x f32 [32][32], times factor of the row.
inline void transposed_out(const float* x, const float* factor, bf16_t* out, int64_t ld, int rows) {
  for (int q = 0; q < rows; q += 16) {
    __m512i lo[16], hi[16];
    for (int i = 0; i < 16; i++) {
      lo[i] = _mm512_loadu_si512(x + i * 32 + q);
      hi[i] = _mm512_loadu_si512(x + (16 + i) * 32 + q);
    }
    transpose16(lo);
    transpose16(hi);
    for (int i = 0; i < 16 && q + i < rows; i++) {
      const __m512 f = _mm512_set1_ps(factor ? factor[q + i] : 1.0f);
      _mm512_storeu_si512(
          out + (q + i) * ld, bf16_pair(_mm512_mul_ps((__m512)hi[i], f), _mm512_mul_ps((__m512)lo[i], f)));
    }
  }
}

inline bool on_tiles(const Attention& a) {
  return a.q.type == Dtype::BF16 && a.head_dim % 32 == 0 && a.head_dim <= 256 && a.window == 0 && a.softcap == 0;
}

inline size_t attention_scratch_amx(const Attention& a, int max_len) {
  if (!on_tiles(a)) return attention_scratch(a, max_len);
  const size_t lp = round_up(max_len, 32), d = a.head_dim;
  // see the arrays taken below: backward takes more
  return lp * d * 2 * 9 + lp * d * 4 * 2 + lp * 4 * 2 + 32 * kQChunk * (4 + 4 + 2 + 2) + lp * kQChunk * 2 +
         32 * 32 * 4 + d * 32 * 4 + 64 * 24;
}

inline void attention_fwd_amx(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  if (!on_tiles(a)) return attention_fwd(a, t0, len, kvh, scratch);
  const int d = a.head_dim, lp = round_up(len, 32), group = a.heads / a.kv_heads;
  Carver carve{scratch.data};
  bf16_t* k = carve.take<bf16_t>(static_cast<size_t>(lp) * d);
  bf16_t* v = carve.take<bf16_t>(static_cast<size_t>(lp) * d);
  bf16_t* vt = carve.take<bf16_t>(static_cast<size_t>(lp) * d);
  bf16_t* q = carve.take<bf16_t>(32 * d);
  uint8_t* q_tiles = carve.take<uint8_t>(32 * d * 2);
  float* s = carve.take<float>(kQChunk * 32);                 // [keys][32 queries]
  uint8_t* p = carve.take<uint8_t>(kQChunk * 64);             // tiles [keys / 32][2]
  float* o = carve.take<float>(static_cast<size_t>(d) * 32);  // O^T [d][32]
  const Tiles config;
  copy_head(a.k, t0, len, kvh * d, d, lp, k);
  copy_head(a.v, t0, len, kvh * d, d, lp, v);
  pack_along(v, lp, d, nullptr, vt);
  for (int h = kvh * group; h < (kvh + 1) * group; h++)
    for (int q0 = 0; q0 < len; q0 += 32) {
      const int qn = len - q0 < 32 ? len - q0 : 32, keys = q0 + 32;
      copy_head(a.q, t0 + q0, qn, h * d, d, 32, q);
      pack_along(q, 32, d, q_tiles, nullptr);
      vf top[2] = {vset(-INFINITY), vset(-INFINITY)}, sum[2] = {vset(0), vset(0)};
      for (int c0 = 0; c0 < keys; c0 += kQChunk) {
        const int cn = keys - c0 < kQChunk ? keys - c0 : kQChunk;
        for (int kb = 0; kb < cn; kb += 32)
          scores32(k + static_cast<int64_t>(c0 + kb) * d, d, q_tiles, s + kb * 32, 32);
        for (int half = 0; half < 2; half++) {
          const vi query = vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + (q0 + 16 * half);
          vf m = top[half];
          for (int i = 0; i < cn; i++) {
            float* r = s + i * 32 + 16 * half;
            vf x = vload(r) * a.scale;
            if (c0 + i > q0) x = vselect(query >= c0 + i, x, vset(-INFINITY));
            vstore(r, x);
            m = vmax(m, x);
          }
          const vf re = vexp(top[half] - m);  // 0 at first: exp(-inf)
          top[half] = m;
          vf acc = sum[half] * re;
          for (int i = 0; i < cn; i += 2) {
            const vf e0 = vexp(vload(s + i * 32 + 16 * half) - m), e1 = vexp(vload(s + (i + 1) * 32 + 16 * half) - m);
            acc += e0 + e1;
            // a row of the tile: pairs along the keys
            const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)e0));
            const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)e1));
            _mm512_store_si512(p + (i / 32 * 2 + half) * kTileBytes + i % 32 / 2 * 64,
                _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
          }
          sum[half] = acc;
          if (c0 > 0)
            for (int i = 0; i < d; i++) vstore(o + i * 32 + 16 * half, vload(o + i * 32 + 16 * half) * re);
        }
        for (int i = 0; i < d; i += 32) {
          const bf16_t* rows = vt + static_cast<int64_t>(i) * lp + c0;
          if (c0 > 0) product32<true>(rows, lp, p, 2 * kTileBytes, cn / 32, o + i * 32, 32);
          else product32<false>(rows, lp, p, 2 * kTileBytes, cn / 32, o + i * 32, 32);
        }
      }
      float inverse[32], total[32], best[32];
      for (int half = 0; half < 2; half++) {
        vstore(inverse + 16 * half, 1.0f / sum[half]);
        vstore(total + 16 * half, sum[half]);
        vstore(best + 16 * half, top[half]);
      }
      for (int i = 0; i < qn; i++)
        a.lse[static_cast<int64_t>(h) * a.ld_lse + t0 + q0 + i] = best[i] + std::log(total[i]);
      for (int i = 0; i < d; i += 32)
        transposed_out(o + i * 32, inverse, row_ptr<bf16_t>(a.out, t0 + q0) + h * d + i, a.out.ld, qn);
    }
}

// What the backward pass of one query head works on.
struct HeadBack {
  bf16_t *k, *v, *kt, *q, *go;  // [lp][d]; kt [d][lp]
  uint8_t *q_along, *go_along, *q_across, *go_across;
  float *dk, *dv, *lse, *delta;  // dk, dv [lp][d]
  float *st, *dpt;               // [32 keys][kQChunk]
  bf16_t *pt, *dst;              // [32 keys][kQChunk]
  uint8_t* ds_tiles;             // [keys / 32][kQChunk / 16] with the depth along the keys
};

// P^T and dS^T of 32 keys from kb on and queries qs .. qe of the chunk that starts at qc.
inline void softmax_back(const HeadBack& b, float scale, int kb, int qc, int qs, int qe) {
  const vi lane = vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int c = qs - qc; c < qe - qc; c += 16) {
    const vf lse = vload(b.lse + qc + c), delta = vload(b.delta + qc + c);
    uint8_t* tile = b.ds_tiles + (static_cast<int64_t>(kb / 32) * (kQChunk / 16) + c / 16) * kTileBytes;
    for (int r = 0; r < 32; r += 2) {
      __m512i half[2];
      for (int i = 0; i < 2; i++) {
        const int at = (r + i) * kQChunk + c;
        vf p = vexp(vload(b.st + at) * scale - lse);
        if (qc + c < kb + 32) p = vselect(lane + (qc + c) >= kb + r + i, p, vset(0));
        const vf ds = p * (vload(b.dpt + at) - delta) * scale;
        vstore(b.pt + at, p);
        const __m256i h = (__m256i)_mm512_cvtneps_pbh((__m512)ds);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(b.dst + at), h);
        half[i] = _mm512_cvtepu16_epi32(h);
      }
      _mm512_store_si512(tile + r / 2 * 64, _mm512_or_si512(half[0], _mm512_slli_epi32(half[1], 16)));
    }
  }
}

inline void head_back(const Attention& a, const HeadBack& b, int t0, int len, int h) {
  const int d = a.head_dim, lp = round_up(len, 32);
  const int64_t along = static_cast<int64_t>(d) * 2;                 // bytes of one row's share in a packing along d
  const int64_t across = static_cast<int64_t>(d / 16) * kTileBytes;  // from 32 rows to the next 32
  for (int qc = 0; qc < lp; qc += kQChunk) {
    const int qe = lp - qc < kQChunk ? lp : qc + kQChunk;
    for (int kb = 0; kb < qe; kb += 32) {
      const int qs = kb > qc ? kb : qc, steps = (qe - qs) / 32;
      for (int qb = qs; qb < qe; qb += 32) {
        scores32(b.k + static_cast<int64_t>(kb) * d, d, b.q_along + qb * along, b.st + qb - qc, kQChunk);
        scores32(b.v + static_cast<int64_t>(kb) * d, d, b.go_along + qb * along, b.dpt + qb - qc, kQChunk);
      }
      softmax_back(b, a.scale, kb, qc, qs, qe);
      for (int i = 0; i < d; i += 32) {
        const int64_t to = static_cast<int64_t>(kb) * d + i, from = qs / 32 * across + i / 16 * kTileBytes;
        product32<true>(b.pt + qs - qc, kQChunk, b.go_across + from, across, steps, b.dv + to, d);
        product32<true>(b.dst + qs - qc, kQChunk, b.q_across + from, across, steps, b.dk + to, d);
      }
    }
    // dQ^T [32][32 queries] = K^T dS^T over the keys up to the diagonal
    for (int qb = qc; qb < qe && qb < len; qb += 32)
      for (int i = 0; i < d; i += 32) {
        alignas(64) float dqt[32 * 32];
        product32<false>(b.kt + static_cast<int64_t>(i) * lp, lp, b.ds_tiles + (qb - qc) / 16 * kTileBytes,
            kQChunk / 16 * kTileBytes, qb / 32 + 1, dqt, 32);
        transposed_out(
            dqt, nullptr, row_ptr<bf16_t>(a.dq, t0 + qb) + h * d + i, a.dq.ld, len - qb < 32 ? len - qb : 32);
      }
  }
}

inline void attention_bwd_amx(const Attention& a, int t0, int len, int kvh, Scratch& scratch) {
  if (!on_tiles(a)) return attention_bwd(a, t0, len, kvh, scratch);
  const int d = a.head_dim, lp = round_up(len, 32), group = a.heads / a.kv_heads;
  const size_t size = static_cast<size_t>(lp) * d;
  Carver carve{scratch.data};
  HeadBack b;
  for (bf16_t** x : {&b.k, &b.v, &b.kt, &b.q, &b.go}) *x = carve.take<bf16_t>(size);
  for (uint8_t** x : {&b.q_along, &b.go_along, &b.q_across, &b.go_across}) *x = carve.take<uint8_t>(size * 2);
  for (float** x : {&b.dk, &b.dv}) *x = carve.take<float>(size);
  for (float** x : {&b.lse, &b.delta}) *x = carve.take<float>(lp);
  for (float** x : {&b.st, &b.dpt}) *x = carve.take<float>(32 * kQChunk);
  for (bf16_t** x : {&b.pt, &b.dst}) *x = carve.take<bf16_t>(32 * kQChunk);
  b.ds_tiles = carve.take<uint8_t>(static_cast<size_t>(lp) * kQChunk * 2);
  const Tiles config;
  copy_head(a.k, t0, len, kvh * d, d, lp, b.k);
  copy_head(a.v, t0, len, kvh * d, d, lp, b.v);
  pack_along(b.k, lp, d, nullptr, b.kt);
  std::memset(b.dk, 0, sizeof(float) * size);
  std::memset(b.dv, 0, sizeof(float) * size);
  for (int h = kvh * group; h < (kvh + 1) * group; h++) {
    copy_head(a.q, t0, len, h * d, d, lp, b.q);
    copy_head(a.dout, t0, len, h * d, d, lp, b.go);
    pack_along(b.q, lp, d, b.q_along, nullptr);
    pack_along(b.go, lp, d, b.go_along, nullptr);
    pack_across(b.q, lp, d, b.q_across);
    pack_across(b.go, lp, d, b.go_across);
    for (int t = 0; t < lp; t++) {
      // Rows past the end: exp(. - inf) = 0 leaves them out of every sum.
      b.lse[t] = t < len ? a.lse[static_cast<int64_t>(h) * a.ld_lse + t0 + t] : INFINITY;
      vf acc = vset(0);
      const bf16_t* o = row_ptr<bf16_t>(a.out, t0 + t) + h * d;
      for (int i = 0; t < len && i < d; i += FT_VL) acc += vload(o + i) * vload(b.go + t * d + i);
      b.delta[t] = t < len ? vsum(acc) : 0.0f;
    }
    head_back(a, b, t0, len, h);
  }
  convert({Dtype::F32, d, d, b.dk}, a.dk.from(t0).columns(kvh * d, d), 0, len);
  convert({Dtype::F32, d, d, b.dv}, a.dv.from(t0).columns(kvh * d, d), 0, len);
}
