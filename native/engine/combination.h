// Weighted sums of rows of one length, entry by entry: what a server makes mutants and their mean of. Float64 without
// contraction in the order of the terms, so that bits depend neither on threads nor on the machine.
#pragma once
#include <cstdint>
#include <vector>

#include "products.h"

namespace ft {

// Of entry p in range r: weights[r] * values[p], 0 where the mask is 0 (null: all ones). A weight of 0 takes no part.
struct Term {
  const float* values = nullptr;
  const uint8_t* mask = nullptr;
  std::vector<double> weights;
};

// x = the terms' sum: out[p] = base[p] + scale * x[p], rounded once. Ranges do not overlap; outside of them out = base.
void add_combination(const float* base, const std::vector<Term>& terms, const std::vector<Range>& ranges, double scale,
    float* out, int64_t n, int threads);

// The sums of several combinations, each added up by itself and then to those before it. 0 outside of the ranges.
void sum_combinations(const std::vector<std::vector<Term>>& combinations, const std::vector<Range>& ranges, double* out,
    int64_t n, int threads);

}  // namespace ft
