#pragma once
#include <map>
#include <string>

#include "check_data.h"

namespace ft {

// Attention of two packed sequences, 4 heads on 2 kv heads, against float64; the float64 gradient against central
// differences.
void check_attention(const KernelSet& set, Random& random, int len, int head_dim, Dtype type, const std::string& name,
    std::map<std::string, double>& errors);

}  // namespace ft
