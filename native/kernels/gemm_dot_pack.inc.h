// How the operands of gemm_dot.inc.h are laid out and packed.
//
// A set defines FT_DOT(acc, a, b): acc + dot products of the operands in each lane of 32 bits, which are of
// FT_DOT_BYTES, 1 or 2; FT_DOT_BIAS: 128 where `a` is taken as unsigned, 0 where it is signed; FT_FMA(a, b, c): a * b +
// c, fused in every width of tile alike, or results would depend on how a product is cut. FT_DOT_M rows by 2
// vectors of columns are what its FT_REGISTERS hold.
#if FT_DOT_BYTES == 1
using dot_t = uint8_t;
constexpr float kDotMost = 127;
#else
using dot_t = int16_t;
constexpr float kDotMost = 8191;  // 32 products of two such fit into 32 bits
#endif
constexpr int kDotM = FT_DOT_M, kDotN = 2;                               // rows and vectors of columns of a tile
constexpr int kDotPer = 4 / FT_DOT_BYTES, kDotSteps = kGroup / kDotPer;  // operands in a lane; lanes of a group
constexpr int kDotUnroll = FT_DOT_BYTES == 1 ? kDotSteps : 1;
constexpr int kDotRow = kGroup * FT_DOT_BYTES + 4;  // bytes of a row's group with its scale
constexpr int kDotCols = kDotN * FT_VL;
constexpr size_t kDotPanels = 512 << 10, kDotRows = 192 << 10;  // packed at a time: both stay in the L2 cache
constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: added to a float, it leaves the nearest integer in the low bits

inline vf vabs(vf x) { return (vf)((vi)x & 0x7fffffff); }

// The second segment: f32, or pairs of bf16 in words where a set has their product.
#ifdef FT_PAIR_DOT
using dot_thin_t = int32_t;
constexpr int kThinPer = 2;
inline vf dot_thin(vf acc, int32_t x, const int32_t* y) { return FT_PAIR_DOT(acc, iset(x), iload(y)); }
#else
using dot_thin_t = float;
constexpr int kThinPer = 1;
inline vf dot_thin(vf acc, float x, const float* y) { return FT_FMA(vset(x), vload(y), acc); }
#endif

struct DotShape {
  int groups, parts, thin;  // groups of depth; operands that an activation takes; words of the second segment's depth
  explicit DotShape(const Gemm& g)
      : groups((g.seg[0].a.cols + kGroup - 1) / kGroup),
        parts(FT_DOT_BYTES == 1 && g.fine ? 2 : 1),
        thin(g.segments > 1 ? (g.seg[1].a.cols + kThinPer - 1) / kThinPer : 0) {}
  // kDotM rows: per group and part [row][32] operands and [row] scales; then [thin][row]
  size_t strip() const {
    return (static_cast<size_t>(groups) * parts * kDotRow + 4 * static_cast<size_t>(thin)) * kDotM;
  }
  // `cols` columns: per group [kDotSteps][cols] lanes of weights, [cols] starting sums and [cols] scales; then
  // [thin][cols]
  size_t panel(int cols) const {
    return (static_cast<size_t>(groups) * (4 * kDotSteps + 8) + 4 * static_cast<size_t>(thin)) * cols;
  }
};

// 32 floats as integers, plus the bias.
inline void dot_round(const vf* x, dot_t* out) {
  for (int i = 0; i < kGroup / FT_VL; i++) {
    const vi q = (vi)(x[i] + kRound) + FT_DOT_BIAS;
#if FT_DOT_BYTES == 1 && defined(__AVX512F__) && FT_VL == 16
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * FT_VL), _mm512_cvtepi32_epi8((__m512i)q));
#else
    typedef dot_t low __attribute__((vector_size(FT_VL * FT_DOT_BYTES)));
    const low b = __builtin_convertvector(q, low);
    std::memcpy(out + i * FT_VL, &b, sizeof b);
#endif
  }
}

// The largest of 32 magnitudes; NaN counts as larger than all, as it does among integers.
inline float dot_largest(const bf16_t* x) {
  uint32_t most;
#if defined(__AVX2__)
  const __m256i* from = reinterpret_cast<const __m256i*>(x);
  const __m256i all = _mm256_set1_epi16(0x7fff);
  const __m256i two = _mm256_max_epu16(
      _mm256_and_si256(_mm256_loadu_si256(from), all), _mm256_and_si256(_mm256_loadu_si256(from + 1), all));
  const __m128i one = _mm_max_epu16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
  // there is an instruction for the least of eight
  most = ~_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(one, _mm_set1_epi16(-1)))) & 0xffff;
#else
  most = 0;
  for (int i = 0; i < kGroup; i++) most = most > (x[i] & 0x7fffu) ? most : x[i] & 0x7fffu;
#endif
  return bf16_to_f32(static_cast<bf16_t>(most));
}

// 32 values, of which `count` exist, as integers and their scale; with `rest` what rounding left, of scale / 254.
inline float dot_quantize(const bf16_t* x, int count, dot_t* out, dot_t* rest) {
  bf16_t row[kGroup] = {};
  if (count < kGroup) {
    std::memcpy(row, x, sizeof(bf16_t) * count);
    x = row;
  }
  const float max = dot_largest(x), inv = max > 0 ? kDotMost / max : max;  // NaN stays NaN
  vf v[kGroup / FT_VL];
  for (int i = 0; i < kGroup / FT_VL; i++) v[i] = vload(x + i * FT_VL);
  for (auto& y : v) y *= inv;
  dot_round(v, out);
  if (rest) {
    for (auto& y : v) y = (y - ((y + kRound) - kRound)) * 254.0f;
    dot_round(v, rest);
  }
  return max / kDotMost;
}

// Rows m .. m + rows of the activations; the strip's other rows are zero.
inline void dot_pack_strip(const Gemm& g, const DotShape& shape, int m, int rows, uint8_t* out) {
  constexpr int kPart = kDotM * kDotRow, kScales = kDotM * kGroup * FT_DOT_BYTES;
  const View& a = g.seg[0].a;
  const bool fine = shape.parts > 1;
  for (int group = 0; group < shape.groups; group++, out += kPart * shape.parts) {
    const int k = group * kGroup, count = g.seg[0].a.cols - k < kGroup ? g.seg[0].a.cols - k : kGroup;
    if (rows < kDotM) std::memset(out, 0, kPart * shape.parts);  // scales of 0: the operands do not matter
    for (int i = 0; i < rows; i++) {
      dot_t* to = reinterpret_cast<dot_t*>(out) + i * kGroup;
      dot_t* rest = fine ? reinterpret_cast<dot_t*>(out + kPart) + i * kGroup : nullptr;
      const float scale = dot_quantize(static_cast<const bf16_t*>(a.data) + (m + i) * a.ld + k, count, to, rest);
      reinterpret_cast<float*>(out + kScales)[i] = scale;
      if (fine) reinterpret_cast<float*>(out + kPart + kScales)[i] = scale / 254.0f;
    }
  }
  dot_thin_t* thin = reinterpret_cast<dot_thin_t*>(out);
  for (int r = 0; r < shape.thin; r++)
    for (int i = 0; i < kDotM; i++) {
      thin[r * kDotM + i] = 0;
      if (i >= rows) continue;
#ifdef FT_PAIR_DOT
      std::memcpy(
          thin + r * kDotM + i, static_cast<const bf16_t*>(g.seg[1].a.data) + (m + i) * g.seg[1].a.ld + 2 * r, 4);
#else
      thin[r * kDotM + i] = mat_at(g.seg[1].a, m + i, r);
#endif
    }
}

// Weights stored along the depth: columns n .. n + count of all groups, as they are. Rows in memory one after the
// other, so that they are asked for in time.
inline void dot_pack_along(const View& b, int groups, int n, int count, int cols, uint8_t* out) {
  const int64_t lds = b.ld / kGroup, group_bytes = static_cast<int64_t>(cols) * (4 * kDotSteps + 8);
  for (int j = 0; j < cols; j += 4) {
    uint8_t* to = out;
    for (int group = 0; group < groups; group++, to += group_bytes) {
      int32_t* words = reinterpret_cast<int32_t*>(to) + j;
      float* scale = reinterpret_cast<float*>(words + (kDotSteps + 1) * cols);
      for (int i = 0; i < 4; i++) scale[i] = j + i < count ? b.scale[(n + j + i) * lds + group] : 0;
      for (int s = 0; s < kDotSteps; s += 4) {
        vi4 r[4] = {};
        for (int i = 0; i < 4; i++) {
          if (j + i >= count) break;
          typedef int8_t some __attribute__((vector_size(4 * kDotPer)));
          some q;
          std::memcpy(
              &q, static_cast<const int8_t*>(b.data) + (n + j + i) * b.ld + group * kGroup + kDotPer * s, sizeof q);
#if FT_DOT_BYTES == 1
          r[i] = (vi4)q;
#else
          typedef int16_t wide __attribute__((vector_size(16)));
          r[i] = (vi4) __builtin_convertvector(q, wide);
#endif
        }
        turn(r);
        for (int i = 0; i < 4; i++) std::memcpy(words + (s + i) * cols, &r[i], sizeof r[i]);
      }
    }
  }
}

// A group of weights stored across the depth: rows group * 32 .. of which `depth` exist, columns from n on.
// `ahead`: another group follows, which is asked for.
inline void dot_pack_across(
    const View& b, int group, int depth, int n, int count, int cols, bool ahead, int32_t* words, float* scale) {
  const int64_t lds = b.ld / kGroup;
  for (int j = 0; j < cols; j += FT_VL) {
    const int rows = j < count ? depth : 0;
    const int8_t* from = static_cast<const int8_t*>(b.data) + group * kGroup * b.ld + n + j;
    const float* scales = b.scale + group * kGroup * lds + (n + j) / kGroup;
    vf x[kGroup], top = {};
    for (int r = 0; r < rows; r++) {
      if (ahead) __builtin_prefetch(from + (kGroup + r) * b.ld);
      x[r] = vload(from + r * b.ld) * scales[r * lds];
      top = vmax(top, vabs(x[r]));
    }
    for (int r = rows; r < kGroup; r++) x[r] = vf{};
    const vf inv = vselect(top > vset(0.0f), kDotMost / top, vset(0.0f));
    vstore(scale + j, top / kDotMost);
    for (int s = 0; s < kDotSteps; s++) {
      vi word = {};
      constexpr int bits = 8 * FT_DOT_BYTES, low = (1 << bits) - 1;
      for (int i = 0; i < kDotPer; i++) word |= ((vi)(x[kDotPer * s + i] * inv + kRound) & low) << (bits * i);
      istore(words + s * cols + j, word);
    }
  }
}

// Columns n .. n + count of the second segment as [thin][cols]; those past the end are zero.
inline void dot_pack_thin(const Segment& s, int thin, int n, int count, int cols, dot_thin_t* out) {
  if (count < cols) std::memset(out, 0, sizeof(dot_thin_t) * thin * cols);
#ifdef FT_PAIR_DOT
  const int rank = s.a.cols;
  const auto* b = static_cast<const bf16_t*>(s.b.data);
  const int64_t along = s.trans ? 1 : s.b.ld, across = s.trans ? s.b.ld : 1;
  for (int r = 0; r < thin; r++)
    for (int j = 0; j < count; j++) {
      const bf16_t* at = b + (n + j) * across + 2 * r * along;
      const uint32_t high = 2 * r + 1 < rank ? at[along] : 0;
      out[r * cols + j] = static_cast<int32_t>(at[0] | (high << 16));
    }
#else
  for (int r = 0; !s.trans && r < thin; r++) mat_row(s.b, r, n, count, out + r * cols);
  for (int r = 0; s.trans && r < thin; r += kGroup) {
    const int some = thin - r < kGroup ? thin - r : kGroup;
    float row[kGroup];
    for (int j = 0; j < count; j++) {
      mat_row(s.b, n + j, r, some, row);
      for (int i = 0; i < some; i++) out[(r + i) * cols + j] = row[i];
    }
  }
#endif
}

// Columns n .. n + count of the weights as a panel of `cols` columns; those past the end are zero.
inline void dot_pack_panel(const Gemm& g, const DotShape& shape, int n, int count, int cols, uint8_t* out) {
  const Segment& s = g.seg[0];
  if (s.trans) dot_pack_along(s.b, shape.groups, n, count, cols, out);
  for (int group = 0; group < shape.groups; group++, out += static_cast<size_t>(cols) * (4 * kDotSteps + 8)) {
    int32_t* words = reinterpret_cast<int32_t*>(out);
    int32_t* start = words + kDotSteps * cols;
    float* scale = reinterpret_cast<float*>(start + cols);
    const int depth = s.a.cols - group * kGroup < kGroup ? s.a.cols - group * kGroup : kGroup;
    if (!s.trans) dot_pack_across(s.b, group, depth, n, count, cols, group + 1 < shape.groups, words, scale);
    // what the bias of the activations adds to every sum
    for (int j = 0; j < cols; j += FT_VL) {
      vi sum = {};
      for (int t = 0; FT_DOT_BIAS != 0 && t < kDotSteps; t++)
        sum = FT_DOT(sum, iset(0x01010101), iload(words + t * cols + j));
      istore(start + j, sum * -FT_DOT_BIAS);
    }
  }
  if (shape.thin > 0) dot_pack_thin(g.seg[1], shape.thin, n, count, cols, reinterpret_cast<dot_thin_t*>(out));
}
