#include "peak_loops.h"

#include <cstring>

#include "../kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ft {

#if defined(__x86_64__)
namespace {

// Twelve accumulators hide the latency of four to five cycles on two ports.
#define FT_TWELVE(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)

__attribute__((target("avx512f"))) void fp32_avx512(int64_t rounds) {
  __m512 x = _mm512_set1_ps(0.5f), a[12];
  for (auto& v : a) v = x;
  for (int64_t i = 0; i < rounds; i++) {
#define FT_OP(j) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(a[j]) : "v"(x));
    FT_TWELVE(FT_OP)
#undef FT_OP
  }
}
__attribute__((target("avx2,fma"))) void fp32_avx2(int64_t rounds) {
  __m256 x = _mm256_set1_ps(0.5f), a[12];
  for (auto& v : a) v = x;
  for (int64_t i = 0; i < rounds; i++) {
#define FT_OP(j) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(a[j]) : "x"(x));
    FT_TWELVE(FT_OP)
#undef FT_OP
  }
}
__attribute__((target("avx512f,avx512vnni"))) void int8_vnni(int64_t rounds) {
  __m512i x = _mm512_set1_epi8(1), a[12];
  for (auto& v : a) v = x;
  for (int64_t i = 0; i < rounds; i++) {
#define FT_OP(j) asm volatile("vpdpbusd %1, %1, %0" : "+v"(a[j]) : "v"(x));
    FT_TWELVE(FT_OP)
#undef FT_OP
  }
}
__attribute__((target("avx2,avxvnni"))) void int8_avxvnni(int64_t rounds) {
  __m256i x = _mm256_set1_epi8(1), a[12];
  for (auto& v : a) v = x;
  for (int64_t i = 0; i < rounds; i++) {
#define FT_OP(j) asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(a[j]) : "x"(x));
    FT_TWELVE(FT_OP)
#undef FT_OP
  }
}
__attribute__((target("avx2"))) void int8_avx2(int64_t rounds) {
  // widened to 16 bits: pmaddwd, 16 products an instruction, and the add that it needs
  __m256i x = _mm256_set1_epi16(1), a[12];
  for (auto& v : a) v = x;
  for (int64_t i = 0; i < rounds; i++) {
    for (auto& v : a) v = _mm256_add_epi32(v, _mm256_madd_epi16(x, v));
  }
  volatile int sink = 0;
  for (auto& v : a) sink = sink + _mm256_extract_epi32(v, 0);
}
__attribute__((target("avx512f,avx512bf16"))) void bf16_avx512(int64_t rounds) {
  __m512i x = _mm512_set1_epi32(0x3f803f80), a[12];
  for (auto& v : a) v = _mm512_setzero_si512();
  for (int64_t i = 0; i < rounds; i++) {
#define FT_OP(j) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(a[j]) : "v"(x));
    FT_TWELVE(FT_OP)
#undef FT_OP
  }
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t colsb[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
__attribute__((target("amx-tile,amx-bf16"))) void bf16_amx(int64_t rounds) {
  static const TileConfig config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (int64_t i = 0; i < rounds / 16; i++) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_release();
}
__attribute__((target("amx-tile,amx-int8"))) void int8_amx(int64_t rounds) {
  static const TileConfig config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (int64_t i = 0; i < rounds / 16; i++) {
    _tile_dpbssd(0, 4, 5);
    _tile_dpbssd(1, 4, 5);
    _tile_dpbssd(2, 4, 5);
    _tile_dpbssd(3, 4, 5);
  }
  _tile_release();
}

bool has(const char* set) { return kernels_by_name(set) != nullptr; }

}  // namespace

PeakLoop peak_fp32() {
  if (has("vnni")) return {fp32_avx512, 12 * 32};
  if (has("avx2")) return {fp32_avx2, 12 * 16};
  return {};
}
PeakLoop peak_bf16() {
  if (has("amx")) return {bf16_amx, 4 * 16384 / 16.0};
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16")) return {bf16_avx512, 12 * 64};
  return {};
}
PeakLoop peak_int8() {
  if (has("amx")) return {int8_amx, 4 * 32768 / 16.0};
  if (has("vnni")) return {int8_vnni, 12 * 128};
  if (has("avxvnni")) return {int8_avxvnni, 12 * 64};
  if (has("avx2")) return {int8_avx2, 12 * 32};
  return {};
}
#else
PeakLoop peak_fp32() { return {}; }
PeakLoop peak_bf16() { return {}; }
PeakLoop peak_int8() { return {}; }
#endif

}  // namespace ft
