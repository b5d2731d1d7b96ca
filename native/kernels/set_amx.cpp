// AVX-512 with AMX tiles in bf16 (Sapphire Rapids and later).
#include <cmath>
#include <cstring>
#include <initializer_list>

#include "cpu.h"
#include "kernels.h"

#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FT_VL 16
#define FT_MR 12

namespace ft {
namespace {
#include "simd.inc.h"
#include "words.inc.h"
#include "gemm.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "gemm_amx.inc.h"
#include "attention_amx.inc.h"
#include "table.inc.h"

// Without a list of names: this file's code for that would itself be AVX-512.
bool have_amx() {
  if (!cpu_supports("avx512f") || !cpu_supports("avx512bw") || !cpu_supports("avx512vl") ||
      !cpu_supports("avx512bf16") || !cpu_supports("amx-bf16") || !cpu_supports("amx-tile"))
    return false;
  // The kernel gives tile registers on request only.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
}  // namespace

const KernelSet* kernels_amx() {
  static const bool have = have_amx();
  if (!have) return nullptr;
  static const KernelSet set = [] {
    KernelSet s = FT_TABLE("amx");
    s.gemm_cut = gemm_cut_amx;
    s.gemm_scratch = gemm_scratch_amx;
    s.gemm = gemm_amx;
    s.attention_scratch = attention_scratch_amx;
    s.attention_fwd = attention_fwd_amx;
    s.attention_bwd = attention_bwd_amx;
    return s;
  }();
  return &set;
}
}  // namespace ft
#else
namespace ft {
const KernelSet* kernels_amx() { return nullptr; }
}  // namespace ft
#endif
