// AVX-512 (F, BW, DQ, VL, VNNI).
#include <cmath>
#include <cstring>

#include "kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#include <immintrin.h>

#define FT_VL 16
#define FT_MR 12
#define FT_FMA(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FT_REGISTERS 32
#define FT_DOT_M 7
#define FT_DOT_BYTES 1
#define FT_DOT_BIAS 128
#define FT_DOT(acc, a, b) ((vi)_mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(a), (__m512i)(b)))

namespace ft {
namespace {
#include "simd.inc.h"
#include "words.inc.h"
#include "gemm.inc.h"
#include "gemm_dot.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "table.inc.h"
}  // namespace

const KernelSet* kernels_vnni() {
  static const KernelSet set = FT_TABLE_DOT("vnni");
  static const bool have = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                           __builtin_cpu_supports("avx512vnni");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_vnni() { return nullptr; }
}  // namespace ft
#endif
