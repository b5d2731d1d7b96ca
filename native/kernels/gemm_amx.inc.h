// Matrix products on AMX tiles in bf16 with f32 accumulators. B is packed, 32 columns and a block of the depth at a time,
// into tiles whose rows hold pairs along the depth ([k / 2][16 columns][2]); int8 weights are scaled and rounded to bf16 on
// the way. A tiles are loaded from the activations as they are. Operands in f32 go to the f32 product.

constexpr int kTileRows = 16, kTileK = 32;            // a tile: 16 rows of 32 bf16
constexpr int kTileBytes = 1024;
constexpr int kPanel = 32;                            // columns of C at a time: two tiles
constexpr int kDepth = 512;                           // depth of a packed block: it stays in the L1 cache

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t colsb[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Tiles are configured for as long as a kernel runs: other code of the thread may use them too.
struct Tiles {
  Tiles() {
    static const TileConfig config;
    _tile_loadconfig(&config);
  }
  ~Tiles() { _tile_release(); }
};

// 16 rows of 16 dwords, transposed.
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

inline __m512 widen8(__m128i q, __m512 scale) { return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), scale); }
inline __m512i bf16_pair(__m512 high, __m512 low) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// Row `row` of B, 32 values from column k on, of which `count` exist, as bf16.
inline __m512i row32(const Mat& b, int64_t row, int k, int count) {
  if (b.type == Dtype::BF16) {
    const bf16_t* p = static_cast<const bf16_t*>(b.data) + row * b.ld + k;
    return _mm512_maskz_loadu_epi16(count >= 32 ? ~0u : (1u << count) - 1, p);
  }
  const int8_t* p = static_cast<const int8_t*>(b.data) + row * b.ld + k;
  const __m512 s = _mm512_set1_ps(b.scale[row * (b.ld / kGroup) + k / kGroup]);
  const __m256i q = _mm256_maskz_loadu_epi8(count >= 32 ? ~0u : (1u << count) - 1, p);
  return bf16_pair(widen8(_mm256_extracti128_si256(q, 1), s), widen8(_mm256_castsi256_si128(q), s));
}

// 16 columns from n on of row k of B, as bf16 in the low halves of dwords.
inline __m512i row16(const Mat& b, int64_t k, int n, __mmask16 mask) {
  if (b.type == Dtype::BF16) return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, static_cast<const bf16_t*>(b.data) + k * b.ld + n));
  const __m128i q = _mm_maskz_loadu_epi8(mask, static_cast<const int8_t*>(b.data) + k * b.ld + n);
  const __m512 x = widen8(q, _mm512_set1_ps(b.scale[k * (b.ld / kGroup) + n / kGroup]));
  return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
}

// One tile: columns n0 .. of which `cols` exist, depth k0 .. of which `depth` exist.
inline void pack_tile(const Segment& s, int k0, int depth, int n0, int cols, uint8_t* out) {
  if (s.trans) {
    __m512i r[16];
    for (int j = 0; j < 16; j++) r[j] = j < cols ? row32(s.b, n0 + j, k0, depth) : _mm512_setzero_si512();
    transpose16(r);
    for (int j = 0; j < 16; j++) _mm512_store_si512(out + 64 * j, r[j]);
    return;
  }
  const __mmask16 mask = cols >= 16 ? 0xffff : static_cast<__mmask16>((1u << cols) - 1);
  for (int j = 0; j < 16; j++) {
    const __m512i low = 2 * j < depth ? row16(s.b, k0 + 2 * j, n0, mask) : _mm512_setzero_si512();
    const __m512i high = 2 * j + 1 < depth ? row16(s.b, k0 + 2 * j + 1, n0, mask) : _mm512_setzero_si512();
    _mm512_store_si512(out + 64 * j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

// A block of the depth of all segments, in order.
struct DepthBlock {
  const Segment* segment;
  int k0, size;
};

inline void depth_blocks(const Gemm& g, std::vector<DepthBlock>& out) {

  for (int s = 0; s < g.segments; s++) {
    const int k = g.seg[s].k, parts = (k + kDepth - 1) / kDepth, each = round_up((k + parts - 1) / parts, kTileK);
    for (int at = 0; at < k; at += each) out.push_back({&g.seg[s], at, k - at < each ? k - at : each});
  }

}

inline void store_c(const Gemm& g, const float* tiles, int m, int rows, int n, int cols) {
  const __mmask16 lo = cols >= 16 ? 0xffff : static_cast<__mmask16>((1u << cols) - 1);
  const __mmask16 hi = cols >= 32 ? 0xffff : cols <= 16 ? 0 : static_cast<__mmask16>((1u << (cols - 16)) - 1);
  for (int i = 0; i < rows; i++) {
    const float* t = tiles + (i / 16) * 512 + (i % 16) * 16;
    __m512 a = _mm512_load_ps(t), b = _mm512_load_ps(t + 256);
    if (g.c_type == Dtype::BF16) {
      const __mmask32 mask = static_cast<uint32_t>(lo) | static_cast<uint32_t>(hi) << 16;
      _mm512_mask_storeu_epi16(static_cast<bf16_t*>(g.c) + (m + i) * g.ldc + n, mask, bf16_pair(b, a));
      continue;
    }
    float* c = static_cast<float*>(g.c) + (m + i) * g.ldc + n;
    if (g.accumulate) {
      a = _mm512_add_ps(a, _mm512_maskz_loadu_ps(lo, c));
      b = _mm512_add_ps(b, _mm512_maskz_loadu_ps(hi, c + 16));
    }
    _mm512_mask_storeu_ps(c, lo, a);
    _mm512_mask_storeu_ps(c + 16, hi, b);
  }
}

// acc (4 tiles: rows 0-15 and 16-31 by columns 0-15 and 16-31) = [acc +] A block * panel
inline void tile_block(const bf16_t* a, int64_t lda, bool second, const uint8_t* panel, int steps, const float* from, float* to) {
  const int64_t stride = lda * 2;
  if (from) {
    _tile_loadd(0, from, 64);
    _tile_loadd(1, from + 256, 64);
    _tile_loadd(2, from + 512, 64);
    _tile_loadd(3, from + 768, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const bf16_t* a2 = second ? a + 16 * lda : a;
  for (int k = 0; k < steps; k++) {
    _tile_loadd(4, a + k * kTileK, stride);
    _tile_loadd(6, panel + k * 2 * kTileBytes, 64);
    _tile_loadd(7, panel + k * 2 * kTileBytes + kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a2 + k * kTileK, stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, to, 64);
  _tile_stored(1, to + 256, 64);
  _tile_stored(2, to + 512, 64);
  _tile_stored(3, to + 768, 64);
}

inline GemmCut gemm_cut_amx(const Gemm& g) {
  if (g.seg[0].a.type == Dtype::F32) return gemm_cut(g);
  return {32, kPanel};
}
inline size_t gemm_scratch_amx(const Gemm& g) {
  if (g.seg[0].a.type == Dtype::F32) return gemm_scratch(g);
  return kDepth / kTileK * 2 * kTileBytes + 4 * kTileBytes + static_cast<size_t>(round_up(g.m, 32)) * kPanel * sizeof(float) + 256;
}

inline void gemm_amx(const Gemm& g, int m0, int m1, int n0, int n1, Scratch& scratch) {
  if (g.seg[0].a.type == Dtype::F32) return gemm(g, m0, m1, n0, n1, scratch);
  uint8_t* panel = scratch.data;
  float* tmp = reinterpret_cast<float*>(panel + kDepth / kTileK * 2 * kTileBytes);
  float* acc = tmp + kTileBytes;  // 4 tiles of 1024 bytes are 1024 floats
  static thread_local std::vector<DepthBlock> blocks;
  blocks.clear();
  depth_blocks(g, blocks);
  const int count = static_cast<int>(blocks.size());
  const Tiles tiles;
  for (int n = n0; n < n1; n += kPanel) {
    const int cols = n1 - n < kPanel ? n1 - n : kPanel;
    for (int b = 0; b < count; b++) {
      const auto& block = blocks[b];
      const int steps = (block.size + kTileK - 1) / kTileK;
      for (int k = 0; k < steps; k++)
        for (int half = 0; half < 2; half++)
          pack_tile(*block.segment, block.k0 + k * kTileK, block.size - k * kTileK, n + 16 * half, cols - 16 * half, panel + (2 * k + half) * kTileBytes);
      const bool first = b == 0, last = b == count - 1;
      const Mat& am = block.segment->a;
      for (int m = m0; m < m1; m += 32) {
        const int rows = m1 - m < 32 ? m1 - m : 32;
        float* at = acc + static_cast<int64_t>(m - m0) * kPanel;
        tile_block(static_cast<const bf16_t*>(am.data) + m * am.ld + block.k0, am.ld, rows > 16, panel, steps, first ? nullptr : at, last ? tmp : at);
        if (last) store_c(g, tmp, m, rows, n, cols);
      }
    }
  }
}
