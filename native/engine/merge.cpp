#include "merge.h"

#include <algorithm>
#include <cstring>

#include "clones.h"
#include "pool.h"

namespace ft {

namespace {

FT_WIDE(void, add_dense, (const float* __restrict v, double w, double* __restrict sum, int64_t n), (v, w, sum, n)) {
  for (int64_t i = 0; i < n; i++) sum[i] += w * static_cast<double>(v[i]);
}

// Values as integers: where the mask is 0 whatever they hold becomes 0, without a branch.
FT_WIDE(void, add_masked,
    (const float* __restrict v, const uint8_t* __restrict m, double w, double* __restrict sum,
        double* __restrict weight, int64_t n),
    (v, m, w, sum, weight, n)) {
  for (int64_t i = 0; i < n; i++) {
    const uint32_t on = m[i] != 0;
    uint32_t bits;
    std::memcpy(&bits, v + i, sizeof bits);
    bits &= 0u - on;
    float kept;
    std::memcpy(&kept, &bits, sizeof kept);
    const double one = w * static_cast<double>(static_cast<int32_t>(on));
    sum[i] += one * static_cast<double>(kept);
    weight[i] += one;
  }
}

// Adapters lie apart, so the processor does not see what comes after a chunk of one.
template <class T>
void fetch(const T* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / sizeof(T)) __builtin_prefetch(p + i);
}

}  // namespace

void merge_mean_chunk(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t at, int64_t n) {
  // accumulators of a chunk stay in the L1 cache: every input is read once, in passing
  double sum[kMergeChunk] = {}, weight[kMergeChunk] = {};
  double dense = 0;  // the weight of every entry, as long as no row has a mask
  bool masked = false;
  for (size_t row = 0; row < rows.size(); row++) {
    const MergeRow& r = rows[row];
    if (row + 1 < rows.size()) {
      fetch(rows[row + 1].values + at, n);
      if (rows[row + 1].mask) fetch(rows[row + 1].mask + at, n);
    }
    if (r.mask && !masked) {
      masked = true;
      std::fill(weight, weight + n, dense);
    }
    if (r.mask) {
      add_masked(r.values + at, r.mask + at, r.weight, sum, weight, n);
      continue;
    }
    add_dense(r.values + at, r.weight, sum, n);
    dense += r.weight;
    for (int64_t i = 0; masked && i < n; i++) weight[i] += r.weight;
  }
  for (int64_t i = 0; i < n; i++) {
    const double w = masked ? weight[i] : dense;
    out[at + i] = w > 0 ? static_cast<float>(sum[i] / w) : fallback[at + i];
  }
}

void add_row(const MergeRow& row, double* sum, double* weights, int64_t n) {
  if (row.mask) return add_masked(row.values, row.mask, row.weight, sum, weights, n);
  add_dense(row.values, row.weight, sum, n);
  for (int64_t i = 0; weights && i < n; i++) weights[i] += row.weight;
}

void merge_mean(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t n, int threads) {
  Pool pool(static_cast<int>(std::min<int64_t>(threads, n / kMergeChunk + 1)));
  // one run of entries a thread: memory likes long runs
  const int64_t each = (n / pool.threads() / kMergeChunk + 1) * kMergeChunk;
  pool.run(pool.threads(), [&](int t, int) {
    for (int64_t at = t * each, to = std::min(n, at + each); at < to; at += kMergeChunk)
      merge_mean_chunk(rows, fallback, out, at, std::min(kMergeChunk, to - at));
  });
}

}  // namespace ft
