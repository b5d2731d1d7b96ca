// NEON with the int8 matrix product (ARMv8.6: Apple M2, Neoverse V1 and N2 and later).
#include <cmath>
#include <cstring>

#include "kernels.h"

#if defined(__ARM_FEATURE_MATMUL_INT8) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#define FT_DOT_TILE "dot_tile_i8mm.inc.h"

namespace ft {
namespace {
#include "neon.inc.h"

bool have_i8mm() {
#if defined(__linux__)
  return getauxval(AT_HWCAP2) & (1 << 13);  // HWCAP2_I8MM, which older headers lack
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_I8MM", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
}  // namespace

const KernelSet* kernels_i8mm() {
  static const KernelSet set = FT_TABLE_DOT("i8mm");
  static const bool have = have_i8mm();
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_i8mm() { return nullptr; }
}  // namespace ft
#endif
