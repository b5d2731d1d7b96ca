// AVX-512 (F, BW, DQ, VL, VNNI).
#include <cmath>
#include <cstring>

#include "cpu.h"
#include "kernels.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace ft {
namespace {
#include "avx512.inc.h"
}  // namespace

const KernelSet* kernels_vnni() {
  static const KernelSet set = FT_TABLE_DOT("vnni");
  static const bool have = cpu_supports("avx512f") && cpu_supports("avx512bw") && cpu_supports("avx512dq") &&
                           cpu_supports("avx512vl") && cpu_supports("avx512vnni");
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_vnni() { return nullptr; }
}  // namespace ft
#endif
