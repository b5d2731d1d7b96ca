// The parameter-wise weighted mean of adapters.
#pragma once
#include <cstdint>
#include <vector>

namespace ft {

struct MergeRow {
  const float* values = nullptr;
  const uint8_t* mask = nullptr;  // null: all ones
  double weight = 0;
};

// out[i] = sum w v / sum w over the rows with mask 1, rows in order, float64; fallback[i] where no weight came.
void merge_mean(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t n, int threads);

}  // namespace ft
