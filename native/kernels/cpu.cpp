#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#include <cstring>

namespace ft {
namespace {

// Registers that the system saves for a program (XCR0); macOS turns those of AVX-512 on at a program's first use.
constexpr uint64_t kAvx = 0x6, kTiles = 0x60000;
#if defined(__APPLE__)
constexpr uint64_t kAvx512 = kAvx;
#else
constexpr uint64_t kAvx512 = 0xe6;
#endif

struct Feature {
  const char* name;
  unsigned leaf, subleaf;  // of CPUID, Intel's manual volume 2A
  enum { A, B, C, D } where;
  unsigned bit;
  uint64_t registers;
};

constexpr Feature kFeatures[] = {
    {"fma", 1, 0, Feature::C, 12, kAvx},
    {"avx2", 7, 0, Feature::B, 5, kAvx},
    {"avxvnni", 7, 1, Feature::A, 4, kAvx},
    {"avx512f", 7, 0, Feature::B, 16, kAvx512},
    {"avx512dq", 7, 0, Feature::B, 17, kAvx512},
    {"avx512bw", 7, 0, Feature::B, 30, kAvx512},
    {"avx512vl", 7, 0, Feature::B, 31, kAvx512},
    {"avx512vnni", 7, 0, Feature::C, 11, kAvx512},
    {"avx512bf16", 7, 1, Feature::A, 5, kAvx512},
    {"amx-bf16", 7, 0, Feature::D, 22, kTiles},
    {"amx-tile", 7, 0, Feature::D, 24, kTiles},
};

uint64_t saved_registers() {
  unsigned a, b, c, d;
  constexpr unsigned kOsxsave = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kOsxsave)) return 0;
  asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return uint64_t{d} << 32 | a;
}

}  // namespace

bool cpu_supports(const char* feature) {
  for (const Feature& f : kFeatures) {
    if (std::strcmp(f.name, feature) != 0) continue;
    unsigned out[4];
    if (!__get_cpuid_count(f.leaf, f.subleaf, &out[0], &out[1], &out[2], &out[3])) return false;
    return (out[f.where] >> f.bit & 1) && (saved_registers() & f.registers) == f.registers;
  }
  return false;
}

}  // namespace ft
#endif
