// NEON with the int8 dot product (ARMv8.2).
#include <cmath>
#include <cstring>

#include "kernels.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define FT_DOT_TILE "dot_tile_neon.inc.h"

namespace ft {
namespace {
#include "neon.inc.h"
}  // namespace

const KernelSet* kernels_neon() {
  static const KernelSet set = FT_TABLE_DOT("neon");
#if defined(__linux__)
  static const bool have = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
  static const bool have = true;  // every Apple and Windows machine on ARM that Node runs on has it
#endif
  return have ? &set : nullptr;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_neon() { return nullptr; }
}  // namespace ft
#endif
