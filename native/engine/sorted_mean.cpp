#include <algorithm>
#include <climits>
#include <cstring>

#include "clones.h"
#include "merge.h"
#include "pool.h"

namespace ft {

namespace {

constexpr int kLanes = 32;  // entries that are sorted side by side, one a vector lane

// Floats as integers of the same order; its own inverse. NaN of any kind comes last, as in a Float64Array's sort().
inline int32_t flip(int32_t bits) { return bits ^ ((bits >> 31) & INT_MAX); }

// Keys [rows][kLanes] of the entries that a mask leaves, the rest behind them; counts how many there are.
FT_WIDE(void, take_keys,
    (const float* v, const uint8_t* mask, int n, int32_t* __restrict keys, int32_t* __restrict count),
    (v, mask, n, keys, count)) {
  constexpr int32_t kNan = 0x7fc00000;
  for (int i = 0; i < n; i++) {
    int32_t bits;
    std::memcpy(&bits, v + i, sizeof bits);
    const int32_t key = (bits & INT_MAX) > 0x7f800000 ? kNan : flip(bits);
    const bool on = !mask || mask[i] != 0;
    keys[i] = on ? key : INT_MAX;
    count[i] += on;
  }
}

// Sorts each lane: merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M), whose comparisons do
// not depend on the data.
FT_WIDE(void, sort_lanes, (int32_t* keys, int rows), (keys, rows)) {
  int top = 1;
  while (2 * top < rows) top *= 2;
  for (int p = top; p > 0; p /= 2) {
    for (int q = top, r = 0, d = p;;) {
      for (int i = 0; i + d < rows; i++) {
        if ((i & p) != r) continue;
        int32_t* __restrict a = keys + i * kLanes, * __restrict b = keys + (i + d) * kLanes;
        for (int l = 0; l < kLanes; l++) {
          const int32_t x = a[l], y = b[l];
          a[l] = x < y ? x : y;
          b[l] = x < y ? y : x;
        }
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
}

// Adds rows lo[l] .. hi[l] of each lane, from the lowest.
FT_WIDE(void, add_lanes, (const int32_t* keys, int rows, const int32_t* lo, const int32_t* hi, double* __restrict sum),
    (keys, rows, lo, hi, sum)) {
  for (int i = 0; i < rows; i++) {
    for (int l = 0; l < kLanes; l++) {
      const int32_t key = i >= lo[l] && i < hi[l] ? keys[i * kLanes + l] : 0;
      const int32_t bits = flip(key);
      float value;
      std::memcpy(&value, &bits, sizeof value);
      sum[l] += static_cast<double>(value);
    }
  }
}

}  // namespace

void sorted_mean(const std::vector<MergeRow>& rows, const float* fallback, const std::vector<int>& cuts, float* out,
    int64_t n, int threads) {
  const int count = static_cast<int>(rows.size());
  const bool dense = std::all_of(rows.begin(), rows.end(), [](const MergeRow& r) { return !r.mask; });
  const bool mean = !dense || cuts[count] < 0;
  auto lanes = [&](std::vector<int32_t>& keys, int64_t at, int width) {
    int32_t have[kLanes] = {}, lo[kLanes] = {}, hi[kLanes] = {};
    double sum[kLanes] = {};
    for (int i = 0; i < count; i++)
      take_keys(rows[i].values + at, rows[i].mask ? rows[i].mask + at : nullptr, width, &keys[i * kLanes], have);
    sort_lanes(keys.data(), count);
    for (int l = 0; l < width; l++) {
      if (cuts[have[l]] < 0) continue;
      lo[l] = cuts[have[l]];
      hi[l] = have[l] - cuts[have[l]];
    }
    add_lanes(keys.data(), count, lo, hi, sum);
    for (int l = 0; l < width; l++)
      if (hi[l] > 0) out[at + l] = static_cast<float>(sum[l] / (hi[l] - lo[l]));
  };
  const int chunks = static_cast<int>((n + kMergeChunk - 1) / kMergeChunk);
  Pool pool(std::min(threads, std::max(1, chunks)));
  pool.run(chunks, [&](int c, int) {
    const int64_t from = c * kMergeChunk, to = std::min(n, from + kMergeChunk);
    if (mean) merge_mean_chunk(rows, fallback, out, from, to - from);
    std::vector<int32_t> keys(static_cast<size_t>(count) * kLanes, INT_MAX);
    for (int64_t at = from; at < to; at += kLanes)
      lanes(keys, at, static_cast<int>(std::min<int64_t>(kLanes, to - at)));
  });
}

}  // namespace ft
