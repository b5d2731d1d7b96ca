// Kernels against naive loops in float64; used by the tests.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "../kernels/kernels.h"

namespace ft {

// Norm-wise relative error of each kernel of the set on random data of the given size.
std::map<std::string, double> check_kernels(const KernelSet& set, int m, int n, int k, uint32_t seed);

}  // namespace ft
