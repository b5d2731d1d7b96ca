#include "peak_loops.h"

#include <cstring>

#include "../kernels/cpu.h"
#include "../kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ft {

#if defined(__x86_64__)
namespace {

// `instruction` on vectors in registers of the kind `reg` (of asm) that start as `start`. Twelve accumulators hide the
// latency of four to five cycles on two ports.
#define FT_LOOP(name, features, vector, start, instruction, reg) \
  __attribute__((target(features))) void name(int64_t rounds) {  \
    vector x = start, a[12];                                     \
    for (auto& v : a) v = x;                                     \
    for (int64_t i = 0; i < rounds; i++) {                       \
      FT_THREE(0, instruction, reg);                             \
      FT_THREE(3, instruction, reg);                             \
      FT_THREE(6, instruction, reg);                             \
      FT_THREE(9, instruction, reg);                             \
    }                                                            \
  }
#define FT_THREE(j, instruction, reg) \
  FT_ONE(j, instruction, reg);        \
  FT_ONE(j + 1, instruction, reg);    \
  FT_ONE(j + 2, instruction, reg)
#define FT_ONE(j, instruction, reg) asm volatile(instruction " %1, %1, %0" : "+" reg(a[j]) : reg(x))

FT_LOOP(fp32_avx512, "avx512f", __m512, _mm512_set1_ps(0.5f), "vfmadd231ps", "v")
FT_LOOP(fp32_avx2, "avx2,fma", __m256, _mm256_set1_ps(0.5f), "vfmadd231ps", "x")
FT_LOOP(int8_vnni, "avx512f,avx512vnni", __m512i, _mm512_set1_epi8(1), "vpdpbusd", "v")
FT_LOOP(int8_avxvnni, "avx2,avxvnni", __m256i, _mm256_set1_epi8(1), "%{vex%} vpdpbusd", "x")
FT_LOOP(bf16_avx512, "avx512f,avx512bf16", __m512i, _mm512_set1_epi32(0x3f803f80), "vdpbf16ps", "v")
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

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t colsb[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
// Four tiles to add to, two to multiply.
#define FT_TILES(name, features, multiply)                      \
  __attribute__((target(features))) void name(int64_t rounds) { \
    static const TileConfig config;                             \
    _tile_loadconfig(&config);                                  \
    _tile_zero(0);                                              \
    _tile_zero(1);                                              \
    _tile_zero(2);                                              \
    _tile_zero(3);                                              \
    _tile_zero(4);                                              \
    _tile_zero(5);                                              \
    for (int64_t i = 0; i < rounds / 16; i++) {                 \
      multiply(0, 4, 5);                                        \
      multiply(1, 4, 5);                                        \
      multiply(2, 4, 5);                                        \
      multiply(3, 4, 5);                                        \
    }                                                           \
    _tile_release();                                            \
  }

FT_TILES(bf16_amx, "amx-tile,amx-bf16", _tile_dpbf16ps)
FT_TILES(int8_amx, "amx-tile,amx-int8", _tile_dpbssd)

bool has(const char* set) { return kernels_by_name(set) != nullptr; }

}  // namespace

PeakLoop peak_fp32() {
  if (has("vnni")) return {fp32_avx512, 12 * 32};
  if (has("avx2")) return {fp32_avx2, 12 * 16};
  return {};
}
PeakLoop peak_bf16() {
  if (has("amx")) return {bf16_amx, 4 * 16384 / 16.0};
  if (cpu_supports("avx512bf16")) return {bf16_avx512, 12 * 64};
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
