#include "merge.h"

#include <algorithm>
#include <thread>

namespace ft {

namespace {

constexpr int64_t kChunk = 4096;  // accumulators of a chunk stay in the L2 cache: every input is read once, in passing

void chunk(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t at, int64_t n) {
  double sum[kChunk] = {}, weight[kChunk] = {};
  for (const auto& r : rows) {
    const float* v = r.values + at;
    if (!r.mask) {
      for (int64_t i = 0; i < n; i++) {
        sum[i] += r.weight * static_cast<double>(v[i]);
        weight[i] += r.weight;
      }
      continue;
    }
    const uint8_t* m = r.mask + at;
    for (int64_t i = 0; i < n; i++) {
      // adding +0 changes nothing, so a select serves where a branch would mispredict
      const double w = m[i] ? r.weight : 0.0;
      sum[i] += w * static_cast<double>(m[i] ? v[i] : 0.0f);
      weight[i] += w;
    }
  }
  for (int64_t i = 0; i < n; i++) out[at + i] = weight[i] > 0 ? static_cast<float>(sum[i] / weight[i]) : fallback[at + i];
}

}  // namespace

void merge_mean(const std::vector<MergeRow>& rows, const float* fallback, float* out, int64_t n, int threads) {
  auto part = [&](int64_t from, int64_t to) {
    for (int64_t at = from; at < to; at += kChunk) chunk(rows, fallback, out, at, std::min(kChunk, to - at));
  };
  std::vector<std::thread> pool;
  const int64_t each = (n / threads / kChunk + 1) * kChunk;
  for (int t = 1; t < threads; t++)
    if (t * each < n) pool.emplace_back(part, t * each, std::min(n, (t + 1) * each));
  part(0, std::min(n, each));
  for (auto& t : pool) t.join();
}

}  // namespace ft
