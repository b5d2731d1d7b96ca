// One kernel on random data of a size, to be run again and again by the micro-benchmarks.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "../kernels/kernels.h"

namespace ft {

struct KernelTask {
  std::function<void()> run;
  double operations = 0;  // multiplications and additions of one run; 0 where bytes say more
  double bytes = 0;       // read and written by one run
};

// kind: "gemm q8 nt", "gemm q8 nn", "gemm f32 nt", "gemm f32 nn", "attention", "attention back", "rmsnorm", "swiglu",
// "swiglu back", "softmax"; m rows (tokens), n columns, k depth (head dimension for attention). `naive` runs a plain
// loop instead of the set's kernel, where there is one (gemm). Throws BAD_ARGUMENT.
KernelTask make_kernel_task(const KernelSet& set, const std::string& kind, int m, int n, int k, bool naive);

}  // namespace ft
