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

#define FT_VL 4
#define FT_MR 8
#define FT_FMA(a, b, c) ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FT_REGISTERS 32
#define FT_DOT_M 7
#define FT_DOT_BYTES 1
#define FT_DOT_BIAS 0
#define FT_DOT(acc, a, b) ((vi)vdotq_s32((int32x4_t)(acc), (int8x16_t)(a), (int8x16_t)(b)))

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
