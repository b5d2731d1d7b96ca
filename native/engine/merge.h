// Merges of adapters, entry by entry. All are in float64 without contraction, in an order that is part of the
// definition: the bits depend neither on threads nor on the machine.
#pragma once
#include <cstdint>
#include <vector>

namespace ft {

struct MergeRow {
  const float* values = nullptr;
  const uint8_t* mask = nullptr;  // null: all ones
  double weight = 0;
};

// out[i] = sum w v / sum w over the rows with mask 1, rows in order; fallback[i] where no weight came.
void merge_mean(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t n, int threads);

// sum[i] += w v and, where it is not null, weights[i] += w at the entries that the row has; a row with a mask needs weights.
void add_row(const MergeRow& row, double* sum, double* weights, int64_t n);

// Medians and trimmed means: out[i] = the mean of the values of the rows with mask 1, sorted, without the lowest and
// the highest cuts[count] of them, added from the lowest to the highest. `cuts` has an entry for each number of rows, 0
// .. rows.size(); where that is negative the weighted mean of merge_mean stands.
void sorted_mean(const std::vector<MergeRow>& rows, const float* fallback, const std::vector<int>& cuts, float* out,
    int64_t n, int threads);

// What merge_mean does for entries at .. at + n, for those who merge a stretch at a time; n is at most kMergeChunk.
constexpr int64_t kMergeChunk = 2048;
void merge_mean_chunk(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t at, int64_t n);

}  // namespace ft
