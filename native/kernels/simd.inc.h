// Vectors of FT_VL floats through the compiler's vector extension, so that one source serves SSE2, NEON, AVX2 and
// AVX-512. Included inside the anonymous namespace of a set; FT_VL is set there.
typedef float vf __attribute__((vector_size(4 * FT_VL)));
typedef int32_t vi __attribute__((vector_size(4 * FT_VL)));
typedef float vf_u __attribute__((vector_size(4 * FT_VL), aligned(4), may_alias));
typedef uint16_t vh_u __attribute__((vector_size(2 * FT_VL), aligned(2), may_alias));
typedef uint16_t vh __attribute__((vector_size(2 * FT_VL)));
typedef uint32_t vu __attribute__((vector_size(4 * FT_VL)));
typedef int8_t vb_u __attribute__((vector_size(FT_VL), aligned(1), may_alias));

inline vf vset(float x) { return x - vf{}; }  // x - 0 is x, which compilers know (x + 0 is not, for -0)
inline vf vload(const float* p) { return *reinterpret_cast<const vf_u*>(p); }
typedef int32_t vi_u __attribute__((vector_size(4 * FT_VL), aligned(4), may_alias));
inline vi iset(int32_t x) { return x - vi{}; }
inline vi iload(const int32_t* p) { return *reinterpret_cast<const vi_u*>(p); }
inline void istore(int32_t* p, vi x) { *reinterpret_cast<vi_u*>(p) = x; }
inline void vstore(float* p, vf x) { *reinterpret_cast<vf_u*>(p) = x; }

inline float bf16_to_f32(bf16_t h) {
  uint32_t u = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
// Round to nearest even; NaN stays NaN.
inline bf16_t f32_to_bf16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<bf16_t>((u >> 16) | 0x40);
  return static_cast<bf16_t>((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
inline vf vload(const bf16_t* p) {
  vu u = __builtin_convertvector(*reinterpret_cast<const vh_u*>(p), vu) << 16;
  return (vf)u;
}
inline void vstore(bf16_t* p, vf x) {
#if defined(__AVX512BF16__) && FT_VL == 16
  __m256bh h = _mm512_cvtneps_pbh((__m512)x);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)h);
#else
  vu u = (vu)x;
  vu r = (u + 0x7fffu + ((u >> 16) & 1)) >> 16;
  vu nan = (vu)((u & 0x7fffffffu) > 0x7f800000u);
  r = (r & ~nan) | (nan & 0x7fc0u);
  *reinterpret_cast<vh_u*>(p) = __builtin_convertvector(r, vh);
#endif
}
inline vf vload(const int8_t* p) {
  // GCC converts bytes to floats one by one, and bytes to integers too
#if defined(__AVX512F__) && FT_VL == 16
  return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__) && FT_VL == 8
  return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
  return __builtin_convertvector(*reinterpret_cast<const vb_u*>(p), vf);
#endif
}

#if defined(__clang__)
#define FT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, vi4{__VA_ARGS__})
#endif
typedef int32_t vi4 __attribute__((vector_size(16)));

// Turns a square of 4 x 4 words.
inline void turn(vi4 (&r)[4]) {
  const vi4 low01 = FT_SHUFFLE(r[0], r[1], 0, 4, 1, 5), high01 = FT_SHUFFLE(r[0], r[1], 2, 6, 3, 7);
  const vi4 low23 = FT_SHUFFLE(r[2], r[3], 0, 4, 1, 5), high23 = FT_SHUFFLE(r[2], r[3], 2, 6, 3, 7);
  r[0] = FT_SHUFFLE(low01, low23, 0, 1, 4, 5);
  r[1] = FT_SHUFFLE(low01, low23, 2, 3, 6, 7);
  r[2] = FT_SHUFFLE(high01, high23, 0, 1, 4, 5);
  r[3] = FT_SHUFFLE(high01, high23, 2, 3, 6, 7);
}

inline float load1(const float* p) { return *p; }
inline float load1(const bf16_t* p) { return bf16_to_f32(*p); }
inline void store1(float* p, float x) { *p = x; }
inline void store1(bf16_t* p, float x) { *p = f32_to_bf16(x); }

// Sum of the lanes, always folded in halves.
inline float vsum(vf x) {
#if defined(__AVX__) && FT_VL >= 8
#if FT_VL == 16
  const __m512d y = (__m512d)x;
  const __m256 half =
      _mm256_add_ps(_mm256_castpd_ps(_mm512_castpd512_pd256(y)), _mm256_castpd_ps(_mm512_extractf64x4_pd(y, 1)));
#else
  const __m256 half = (__m256)x;
#endif
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
#else
  float lane[FT_VL];
  std::memcpy(lane, &x, sizeof lane);
  for (int w = FT_VL / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) lane[i] += lane[i + w];
  return lane[0];
#endif
}
inline vf vselect(vi c, vf a, vf b) {
  vi r = (c & (vi)a) | (~c & (vi)b);
  return (vf)r;
}
// a > b ? a : b, which is b where one is NaN
#if defined(__AVX512F__) && FT_VL == 16
inline vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
inline vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__) && FT_VL == 8
inline vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
inline vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#else
inline vf vmax(vf a, vf b) { return vselect(a > b, a, b); }
inline vf vmin(vf a, vf b) { return vselect(a < b, a, b); }
#endif

// exp(x): 2^n times a polynomial (Cephes' coefficients), relative error < 2e-7; 0 below -87.3, capped at 88.
inline vf vexp(vf x) {
  const vi under = x < vset(-87.3f);
  x = vmin(vmax(x, vset(-87.3f)), vset(88.0f));
  vf n = x * 1.44269504088896341f;
  // round to nearest by adding and taking away 1.5 * 2^23
  n = (n + 12582912.0f) - 12582912.0f;
  vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = vset(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  vi e = (__builtin_convertvector(n, vi) + 127) << 23;
  p = p * (vf)e;
  return vselect(under, vset(0.0f), p);
}
// 1 / x to within 2 units in the last place, where x is finite and neither 0 nor subnormal.
inline vf vrcp(vf x) {
#if defined(__AVX512F__) && FT_VL == 16
  const vf r = (vf)_mm512_rcp14_ps((__m512)x);
  return r + r * (1.0f - x * r);
#else
  return 1.0f / x;
#endif
}
inline vf vsigmoid(vf x) { return vrcp(1.0f + vexp(-x)); }
// tanh(x) to within 2e-7: by exp, and by its series where that would cancel.
inline vf vtanh(vf x) {
  const vf y = x * x, series = x * (1.0f + y * (-1.0f / 3 + y * (2.0f / 15 + y * (-17.0f / 315 + y * (62.0f / 2835)))));
  return vselect(y < vset(0.0625f), series, 1.0f - 2.0f * vrcp(1.0f + vexp(x + x)));
}
// cap * tanh(x / cap), and its slope at the capped value.
inline vf vcap(vf x, float cap) { return cap * vtanh(x * (1.0f / cap)); }
inline vf vcap_slope(vf y, float cap) { return 1.0f - y * y * (1.0f / (cap * cap)); }
inline float exp1(float x) { return vexp(vset(x))[0]; }
