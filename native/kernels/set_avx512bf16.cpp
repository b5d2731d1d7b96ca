// AVX-512 (F, BW, DQ, VL, VNNI) with BF16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
#include <cmath>
#include <cstring>

#include "cpu.h"
#include "kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__) && defined(__AVX512BF16__)
#include <immintrin.h>

#define FT_PAIR_DOT(acc, x, y) ((vf)_mm512_dpbf16_ps((__m512)(acc), (__m512bh)(x), (__m512bh)(y)))

namespace ft {
namespace {
#include "avx512.inc.h"
}  // namespace

const KernelSet* kernels_avx512bf16() {
  static const KernelSet set = FT_TABLE_DOT("avx512bf16");
  static const bool have = cpu_supports("avx512f") && cpu_supports("avx512bw") && cpu_supports("avx512dq") &&
                           cpu_supports("avx512vl") && cpu_supports("avx512vnni") && cpu_supports("avx512bf16");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_avx512bf16() { return nullptr; }
}  // namespace ft
#endif
