// Kernels against naive loops in float64, element by element, with guards around what they write; used by the tests.
// One file a family of kernels.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "../kernels/kernels.h"
#include "check_data.h"

namespace ft {

// For random data of the given size: the worst error of an element of each kernel of the set, in units of the scale of
// its terms (Report); and an entry of its own, 1, for each promise that was broken ("... writes outside").
std::map<std::string, double> check_kernels(const KernelSet& set, int m, int n, int k, uint32_t seed);

void check_gemm(const KernelSet& set, Random& random, int m, int n, int k, Dtype a_type, Dtype b_type, bool trans,
    const std::string& name, Report& report);
void check_rows(const KernelSet& set, Random& random, int m, int n, Report& report);
void check_softmax(const KernelSet& set, Random& random, int m, int n, Dtype type, float softcap,
    const std::string& name, Report& report);
void check_adamw(const KernelSet& set, Random& random, int n, Report& report);
void check_quantize(const KernelSet& set, Random& random, int m, int n, Report& report);
void check_q4(const KernelSet& set, Random& random, int m, int n, Report& report);
// Two packed sequences, 4 heads on 2 kv heads; the float64 gradient against central differences.
void check_attention(const KernelSet& set, Random& random, int len, int head_dim, Dtype type, int window, float softcap,
    const std::string& name, Report& report);

}  // namespace ft
