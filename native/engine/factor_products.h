// Products B A of the factors of adapters, for the rules that merge products. Float64 without contraction: every entry
// is added up over the components in order, so that bits depend neither on threads nor on the machine.
#pragma once
#include <cstdint>
#include <vector>

namespace ft {

// Where the factors of a module lie in an adapter: A [rank][in] from offset a, B [out][rank] from b.
struct FactorPlace {
  int64_t a = 0, b = 0, rank = 0, in = 0, out = 0;
};

// (B - B0) times weight * (A - A0), each rounded to float32 as an adapter holds them; B0 and A0 are those of `minus`,
// in the same place (null: zeros).
struct FactorTerm {
  const float* values = nullptr;
  const float* minus = nullptr;
  double weight = 1;
  int64_t a = 0, b = 0, rank = 0;
};

// sum [out][in]: the sum of the products of the terms.
void product_sum(const std::vector<FactorTerm>& terms, int64_t out, int64_t in, double* sum, int threads);

// norms[m] = the squared Frobenius norm of B A of each module, through rank x rank tables.
void product_norms(const float* values, const std::vector<FactorPlace>& modules, double* norms, int threads);

}  // namespace ft
