// Products of all pairs of rows, for the rules that compare clients. Float64 without contraction, in an order that is
// part of the definition, so that bits depend neither on threads nor on the machine: a range of entries is cut into
// groups of 65,536 and those into blocks of 1,024. In a block 8 sums go side by side (entry i of the block to sum i mod
// 8), which are then added as ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)); blocks are added in order to their group's
// sum, groups to the result.
#pragma once
#include <cstdint>
#include <vector>

namespace ft {

struct Range {
  int64_t start = 0, end = 0;
};

// out [ranges][rows][rows]: sum of a[p] * b[p] over the entries of each range where the mask is not 0 (null: all).
void gram(const std::vector<const float*>& rows, const uint8_t* mask, const std::vector<Range>& ranges, double* out,
    int threads);

// out [rows][rows]: sum of (a[p] - b[p])^2 over n entries.
void squared_distances(const std::vector<const float*>& rows, int64_t n, double* out, int threads);

// out [masks][masks]: number of entries that are not 0 in both (null: a mask of ones); a mask with itself: its ones.
void mask_overlaps(const std::vector<const uint8_t*>& masks, int64_t n, double* out, int threads);

}  // namespace ft
