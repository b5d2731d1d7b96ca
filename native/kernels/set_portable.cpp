// The set that always works: the compiler's baseline for the processor family (SSE2 on x86-64, NEON on arm64).
#include <cmath>
#include <cstring>

#include "kernels.h"

#define FT_VL 4
#define FT_MR 4

namespace ft {
namespace {
#include "simd.inc.h"
#include "words.inc.h"
#include "gemm.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "table.inc.h"
}  // namespace

const KernelSet* kernels_portable() {
  static const KernelSet set = FT_TABLE("portable");
  return &set;
}
}  // namespace ft
