#include <cstring>

#include "kernels.h"

namespace ft {

const KernelSet* kernels_by_name(const char* name) {
  // in order of preference
  const KernelSet* const sets[] = {kernels_amx(), kernels_avx512bf16(), kernels_vnni(), kernels_avxvnni(),
      kernels_avx2(), kernels_i8mm(), kernels_neon(), kernels_portable()};
  for (const KernelSet* set : sets)
    if (set && (std::strcmp(name, "auto") == 0 || std::strcmp(name, set->name) == 0)) return set;
  return nullptr;
}

}  // namespace ft
