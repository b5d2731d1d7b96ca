// AVX2 + FMA with AVX-VNNI: the int8 dot product in 256 bits.
#include <cmath>
#include <cstring>

#include "cpu.h"
#include "kernels.h"

#if defined(__AVXVNNI__) && defined(__FMA__)
#include <immintrin.h>

#define FT_VL 8
#define FT_MR 6
#define FT_FMA(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FT_REGISTERS 16
#define FT_DOT_M 6
#define FT_DOT_BYTES 1
#define FT_DOT_BIAS 128
#define FT_DOT(acc, a, b) ((vi)_mm256_dpbusd_avx_epi32((__m256i)(acc), (__m256i)(a), (__m256i)(b)))

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

const KernelSet* kernels_avxvnni() {
  static const KernelSet set = FT_TABLE_DOT("avxvnni");
  static const bool have = cpu_supports("avx2") && cpu_supports("fma") && cpu_supports("avxvnni");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_avxvnni() { return nullptr; }
}  // namespace ft
#endif
