// Matrix products on AMX tiles in bf16 with f32 accumulators. B is packed, 32 columns over the whole depth at a time,
// into tiles whose rows hold pairs along the depth ([k / 2][16 columns][2]); int8 weights are scaled and rounded to
// bf16 on the way. A tiles are loaded from the activations as they are. Operands in f32 go to the f32 product.

constexpr int kTileRows = 16, kTileK = 32;  // a tile: 16 rows of 32 bf16
constexpr int kTileBytes = 1024;
constexpr int kPanel = 32;  // columns of C at a time: two tiles
// What stays in the L2 cache (2 MB a core where there is AMX): packed columns, and the rows that pass by them.
constexpr size_t kPackedBytes = 1 << 20, kRowsBytes = 640 << 10;

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

inline __m512 widen8(__m128i q, __m512 scale) {
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), scale);
}
inline __m512i bf16_pair(__m512 high, __m512 low) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// Row `row` of B, 32 values from column k on, of which `count` exist, as bf16.
inline __m512i row32(const View& b, int64_t row, int k, int count) {
  if (b.type == Dtype::BF16) {
    const bf16_t* p = static_cast<const bf16_t*>(b.data) + row * b.ld + k;
    return _mm512_maskz_loadu_epi16(count >= 32 ? ~0u : (1u << count) - 1, p);
  }
  // int8 rows are padded with zeros up to whole groups
  const __m128i* p = reinterpret_cast<const __m128i*>(static_cast<const int8_t*>(b.data) + row * b.ld + k);
  const __m512 s = _mm512_set1_ps(b.scale[row * (b.ld / kGroup) + k / kGroup]);
  return bf16_pair(widen8(_mm_loadu_si128(p + 1), s), widen8(_mm_loadu_si128(p), s));
}

// Rows k and k + 1 of B, 16 columns from n on, as pairs of bf16; row k + 1 only where there is one.
inline __m512i row_pair(const View& b, int64_t k, bool two, int n, __mmask16 mask) {
  const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
      6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __mmask16 second = two ? mask : 0;
  __m512i both;
  if (b.type == Dtype::BF16) {
    const bf16_t* p = static_cast<const bf16_t*>(b.data) + k * b.ld + n;
    both = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_maskz_loadu_epi16(mask, p)), _mm256_maskz_loadu_epi16(second, p + b.ld), 1);
  } else {
    const int8_t* p = static_cast<const int8_t*>(b.data) + k * b.ld + n;
    const float* s = b.scale + k * (b.ld / kGroup) + n / kGroup;
    const __m512 low = mask ? widen8(_mm_maskz_loadu_epi8(mask, p), _mm512_set1_ps(s[0])) : _mm512_setzero_ps();
    const __m512 high =
        second ? widen8(_mm_maskz_loadu_epi8(second, p + b.ld), _mm512_set1_ps(s[b.ld / kGroup])) : _mm512_setzero_ps();
    both = bf16_pair(high, low);
  }
  return _mm512_permutexvar_epi16(interleave, both);
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
  const __mmask16 mask = cols >= 16 ? 0xffff : cols <= 0 ? 0 : static_cast<__mmask16>((1u << cols) - 1);
  for (int j = 0; j < 16; j++)
    _mm512_store_si512(
        out + 64 * j, 2 * j < depth ? row_pair(s.b, k0 + 2 * j, 2 * j + 1 < depth, n0, mask) : _mm512_setzero_si512());
}

inline void store_c(const Gemm& g, const float* tiles, int m, int rows, int n, int cols) {
  const __mmask16 lo = cols >= 16 ? 0xffff : static_cast<__mmask16>((1u << cols) - 1);
  const __mmask16 hi = cols >= 32 ? 0xffff : cols <= 16 ? 0 : static_cast<__mmask16>((1u << (cols - 16)) - 1);
  for (int i = 0; i < rows; i++) {
    const float* t = tiles + (i / 16) * 512 + (i % 16) * 16;
    __m512 a = _mm512_load_ps(t), b = _mm512_load_ps(t + 256);
    if (g.c.type == Dtype::BF16) {
      const __mmask32 mask = static_cast<uint32_t>(lo) | static_cast<uint32_t>(hi) << 16;
      _mm512_mask_storeu_epi16(static_cast<bf16_t*>(g.c.data) + (m + i) * g.c.ld + n, mask, bf16_pair(b, a));
      continue;
    }
    float* c = static_cast<float*>(g.c.data) + (m + i) * g.c.ld + n;
    if (g.accumulate) {
      a = _mm512_add_ps(a, _mm512_maskz_loadu_ps(lo, c));
      b = _mm512_add_ps(b, _mm512_maskz_loadu_ps(hi, c + 16));
    }
    _mm512_mask_storeu_ps(c, lo, a);
    _mm512_mask_storeu_ps(c + 16, hi, b);
  }
}

// The depth of a product in tile steps, segment after segment.
inline int depth_steps(const Gemm& g) {
  int steps = 0;
  for (int s = 0; s < g.segments; s++) steps += (g.seg[s].a.cols + kTileK - 1) / kTileK;
  return steps;
}

// Asks for weights that are packed soon: they come from memory, one layer's after another's, and waiting for them would
// take longer than packing them.
inline void fetch_rows(const View& b, int64_t row, int rows, int at) {
  if (b.type != Dtype::Q8) return;
  const int8_t* p = static_cast<const int8_t*>(b.data) + row * b.ld + at;
  const float* s = b.scale + row * (b.ld / kGroup) + at / kGroup;
  for (int i = 0; i < rows; i++) {
    _mm_prefetch(reinterpret_cast<const char*>(p + i * b.ld), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(s + i * (b.ld / kGroup)), _MM_HINT_T0);
  }
}

// Packs columns n0 .. n1 of B over the whole depth: panels of 32 columns, [steps][2 tiles] each. Rows of B are read in
// long runs: along the depth they are taken 16 at a time, across it through all panels. B ends at column `end`.
inline void pack_panels(const Gemm& g, int n0, int n1, int end, uint8_t* out) {
  const size_t panel_bytes = static_cast<size_t>(depth_steps(g)) * 2 * kTileBytes;
  for (int s = 0; s < g.segments; s++) {
    const Segment& segment = g.seg[s];
    auto tile = [&](int k, int n) {
      pack_tile(segment, k, segment.a.cols - k, n, end - n,
          out + (n - n0) / kPanel * panel_bytes + k / kTileK * 2 * kTileBytes + ((n - n0) & 16 ? kTileBytes : 0));
    };
    if (segment.trans) {
      for (int n = n0; n < n1; n += 16)
        for (int k = 0; k < segment.a.cols; k += kTileK) {
          if (k % 64 == 0) fetch_rows(segment.b, n + 16, n + 32 <= end ? 16 : 0, k);
          tile(k, n);
        }
    } else {
      for (int k = 0; k < segment.a.cols; k += kTileK)
        for (int n = n0; n < n1; n += 16) {
          if (n % 64 == 0 || n == n0)
            fetch_rows(segment.b, k + kTileK, k + 2 * kTileK <= segment.a.cols ? kTileK : 0, n);
          tile(k, n);
        }
    }
    out += (segment.a.cols + kTileK - 1) / kTileK * 2 * kTileBytes;
  }
}

// Depth steps of a panel that stay in the L1 cache while rows pass by them.
constexpr int kDepthSteps = 10;

// Steps s0 .. s1 of 32 rows from m on times a panel: 4 tiles of f32, rows 0-15 and 16-31 by columns 0-15 and 16-31,
// added to what `to` holds where s0 > 0.
inline void tile_block(const Gemm& g, int m, int rows, int s0, int s1, const uint8_t* panel, float* to) {
  if (s0 == 0) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, to, 64);
    _tile_loadd(1, to + 256, 64);
    _tile_loadd(2, to + 512, 64);
    _tile_loadd(3, to + 768, 64);
  }
  panel += static_cast<int64_t>(s0) * 2 * kTileBytes;
  for (int s = 0, first = 0; s < g.segments; s++) {
    const View& a = g.seg[s].a;
    const int steps = (g.seg[s].a.cols + kTileK - 1) / kTileK, from = s0 > first ? s0 - first : 0,
              end = s1 - first < steps ? s1 - first : steps;
    first += steps;
    const bf16_t* top = static_cast<const bf16_t*>(a.data) + m * a.ld + from * kTileK;
    const bf16_t* bottom = rows > 16 ? top + 16 * a.ld : top;
    const int64_t stride = a.ld * 2;
    for (int k = from; k < end; k++, top += kTileK, bottom += kTileK, panel += 2 * kTileBytes) {
      _tile_loadd(4, top, stride);
      _tile_loadd(6, panel, 64);
      _tile_loadd(7, panel + kTileBytes, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, bottom, stride);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
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

// Packed columns at a time: as many panels as the budget holds.
inline int panels_at_once(const Gemm& g) {
  const int panels = static_cast<int>(kPackedBytes / (static_cast<size_t>(depth_steps(g)) * 2 * kTileBytes));
  return panels > 1 ? panels : 1;
}
// Rows that pass by a panel before the next.
inline int rows_at_once(const Gemm& g) {
  const int rows = static_cast<int>(kRowsBytes / (static_cast<size_t>(depth_steps(g)) * kTileK * 2)) / 32 * 32;
  const int all = round_up(g.m, 32);
  return rows > all ? all : rows > 32 ? rows : 32;
}
inline size_t gemm_scratch_amx(const Gemm& g) {
  if (g.seg[0].a.type == Dtype::F32) return gemm_scratch(g);
  return static_cast<size_t>(panels_at_once(g)) * depth_steps(g) * 2 * kTileBytes +
         static_cast<size_t>(rows_at_once(g)) / 32 * 4 * kTileBytes;
}

inline void gemm_amx(const Gemm& g, const uint8_t*, int m0, int m1, int n0, int n1, Scratch& scratch) {
  if (g.seg[0].a.type == Dtype::F32) return gemm(g, nullptr, m0, m1, n0, n1, scratch);
  const int steps = depth_steps(g), chunk = panels_at_once(g) * kPanel, m_block = rows_at_once(g);
  const size_t panel_bytes = static_cast<size_t>(steps) * 2 * kTileBytes;
  float* tiles = reinterpret_cast<float*>(scratch.data);  // [32 rows][4]
  uint8_t* packed = scratch.data + static_cast<size_t>(m_block) / 32 * 4 * kTileBytes;
  const Tiles config;
  for (int nc = n0; nc < n1; nc += chunk) {
    const int ne = nc + chunk < n1 ? nc + chunk : n1;
    // up to a whole panel: columns past the end are zero
    pack_panels(g, nc, nc + round_up(ne - nc, kPanel), ne, packed);
    for (int mb = m0; mb < m1; mb += m_block) {
      const int me = mb + m_block < m1 ? mb + m_block : m1;
      for (int n = nc; n < ne; n += kPanel) {
        const uint8_t* panel = packed + (n - nc) / kPanel * panel_bytes;
        for (int s = 0; s < steps; s += kDepthSteps) {
          const int end = s + kDepthSteps < steps ? s + kDepthSteps : steps;
          for (int m = mb; m < me; m += 32) {
            const int rows = me - m < 32 ? me - m : 32;
            float* to = tiles + static_cast<int64_t>(m - mb) / 32 * 1024;
            tile_block(g, m, rows, s, end, panel, to);
            if (end == steps) store_c(g, to, m, rows, n, ne - n < kPanel ? ne - n : kPanel);
          }
        }
      }
    }
  }
}
