// Prints the relative error of each kernel of one set as "kernel error", for checks without Node: under an emulator,
// say. Usage: check_kernels SET M N K SEED
#include <cstdio>
#include <cstdlib>

#include "check.h"

int main(int count, char** arguments) {
  if (count != 6) {
    std::fprintf(stderr, "Usage: check_kernels SET M N K SEED\n");
    return 2;
  }
  const ft::KernelSet* set = ft::kernels_by_name(arguments[1]);
  if (!set) {
    std::fprintf(stderr, "Kernel set \"%s\" is not in this build or not on this processor.\n", arguments[1]);
    return 1;
  }
  const auto errors = ft::check_kernels(*set, std::atoi(arguments[2]), std::atoi(arguments[3]), std::atoi(arguments[4]),
      static_cast<uint32_t>(std::atoi(arguments[5])));
  for (const auto& [kernel, error] : errors) std::printf("%s\t%g\n", kernel.c_str(), error);
  return 0;
}
