// AVX2 + FMA.
#include <cmath>
#include <cstring>

#include "kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define FT_VL 8
#define FT_MR 6

namespace ft {
namespace {
#include "simd.inc.h"
#include "gemm.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "table.inc.h"
}  // namespace

const KernelSet* kernels_avx2() {
  static const KernelSet set = FT_TABLE("avx2");
  static const bool have = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_avx2() { return nullptr; }
}  // namespace ft
#endif
