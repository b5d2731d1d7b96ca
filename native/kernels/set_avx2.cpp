// AVX2 + FMA.
#include <cmath>
#include <cstring>

#include "cpu.h"
#include "kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define FT_VL 8
#define FT_MR 6
#define FT_FMA(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FT_REGISTERS 16
#define FT_DOT_M 6
#define FT_DOT_BYTES 2
#define FT_DOT_BIAS 0
// Two instructions for as many pairs as two of f32 take, but the addition has more units to run on.
#define FT_DOT(acc, a, b) ((acc) + (vi)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))

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

const KernelSet* kernels_avx2() {
  static const KernelSet set = FT_TABLE_DOT("avx2");
  static const bool have = cpu_supports("avx2") && cpu_supports("fma");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_avx2() { return nullptr; }
}  // namespace ft
#endif
