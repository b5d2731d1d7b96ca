#include "products.h"

#include <algorithm>
#include <cstring>

#include "clones.h"
#include "pool.h"

namespace ft {

namespace {

constexpr int64_t kBlock = 1024, kGroup = 65536;
constexpr int kRows = 2, kCols = 4;  // pairs at a time: what the registers hold

typedef double v8 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32), aligned(4), may_alias));

// Rows a[0 .. kRows) with rows b[0 .. kCols) over n entries of a block; ONE(x, y) is one entry's part of the sum.
#define FT_TILE(name, ONE)                                                                                           \
  FT_WIDE(                                                                                                           \
      void, name, (const float* const* a, const float* const* b, int64_t n, double (*out)[kCols]), (a, b, n, out)) { \
    v8 sum[kRows][kCols] = {};                                                                                       \
    const int64_t whole = n / 8 * 8;                                                                                 \
    for (int64_t p = 0; p < whole; p += 8) {                                                                         \
      v8 x[kRows], y[kCols];                                                                                         \
      for (int i = 0; i < kRows; i++) x[i] = __builtin_convertvector(*reinterpret_cast<const f8*>(a[i] + p), v8);    \
      for (int j = 0; j < kCols; j++) y[j] = __builtin_convertvector(*reinterpret_cast<const f8*>(b[j] + p), v8);    \
      for (int i = 0; i < kRows; i++)                                                                                \
        for (int j = 0; j < kCols; j++) sum[i][j] += ONE(x[i], y[j]);                                                \
    }                                                                                                                \
    for (int i = 0; i < kRows; i++)                                                                                  \
      for (int j = 0; j < kCols; j++) {                                                                              \
        double s[8];                                                                                                 \
        std::memcpy(s, &sum[i][j], sizeof s);                                                                        \
        for (int64_t p = whole; p < n; p++)                                                                          \
          s[p - whole] += ONE(static_cast<double>(a[i][p]), static_cast<double>(b[j][p]));                           \
        out[i][j] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));                               \
      }                                                                                                              \
  }

#define FT_PRODUCT(x, y) ((x) * (y))
#define FT_SQUARE(x, y) (((x) - (y)) * ((x) - (y)))
FT_TILE(product_tile, FT_PRODUCT)
FT_TILE(distance_tile, FT_SQUARE)
using Tile = void (*)(const float* const*, const float* const*, int64_t, double (*)[kCols]);

// Adds entries at .. at + n (one block) of all pairs i <= j to `sum` [rows][rows].
void add_block(Tile tile, const std::vector<const float*>& rows, int64_t at, int64_t n, double* sum) {
  const int count = static_cast<int>(rows.size());
  for (int i = 0; i < count; i += kRows)
    for (int j = i / kCols * kCols; j < count; j += kCols) {
      const float *a[kRows], *b[kCols];
      for (int r = 0; r < kRows; r++) a[r] = rows[std::min(count - 1, i + r)] + at;
      for (int c = 0; c < kCols; c++) b[c] = rows[std::min(count - 1, j + c)] + at;
      double part[kRows][kCols];
      tile(a, b, n, part);
      for (int r = 0; r < kRows && i + r < count; r++)
        for (int c = 0; c < kCols && j + c < count; c++)
          if (j + c >= i + r) sum[(i + r) * static_cast<int64_t>(count) + j + c] += part[r][c];
    }
}

// A block of rows with what the mask leaves out at 0.
struct Masked {
  std::vector<float> values;
  std::vector<const float*> rows;

  void take(const std::vector<const float*>& from, const uint8_t* mask, int64_t at, int64_t n) {
    values.resize(from.size() * kBlock);
    rows.resize(from.size());
    for (size_t i = 0; i < from.size(); i++) {
      float* to = values.data() + i * kBlock;
      for (int64_t p = 0; p < n; p++) to[p] = mask[at + p] != 0 ? from[i][at + p] : 0.0f;
      rows[i] = to;
    }
  }
};

void all_pairs(Tile tile, const std::vector<const float*>& rows, const uint8_t* mask, const std::vector<Range>& ranges,
    double* out, int threads) {
  const int64_t count = static_cast<int64_t>(rows.size()), square = count * count;
  struct Group {
    int64_t start, end;
    double* out;
  };
  std::vector<Group> groups;
  for (size_t r = 0; r < ranges.size(); r++)
    for (int64_t at = ranges[r].start; at < ranges[r].end; at += kGroup)
      groups.push_back({at, std::min(ranges[r].end, at + kGroup), out + static_cast<int64_t>(r) * square});
  std::fill(out, out + static_cast<int64_t>(ranges.size()) * square, 0.0);
  Pool pool(std::min<int>(threads, static_cast<int>(std::max<size_t>(1, groups.size()))));
  // A few groups at a time, whose sums are then added in order.
  const size_t wave = 4 * static_cast<size_t>(pool.threads());
  std::vector<double> sums(std::min(wave, groups.size()) * static_cast<size_t>(square));
  for (size_t first = 0; first < groups.size(); first += wave) {
    const int now = static_cast<int>(std::min(wave, groups.size() - first));
    std::fill(sums.begin(), sums.end(), 0.0);
    pool.run(now, [&](int g, int) {
      const Group& group = groups[first + g];
      Masked masked;
      for (int64_t at = group.start; at < group.end; at += kBlock) {
        const int64_t n = std::min(kBlock, group.end - at);
        if (mask) masked.take(rows, mask, at, n);
        add_block(tile, mask ? masked.rows : rows, mask ? 0 : at, n, sums.data() + g * square);
      }
    });
    for (int g = 0; g < now; g++)
      for (int64_t i = 0; i < square; i++) groups[first + g].out[i] += sums[g * square + i];
  }
  for (size_t r = 0; r < ranges.size(); r++)
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = 0; j < i; j++) out[r * square + i * count + j] = out[r * square + j * count + i];
}

FT_WIDE(int64_t, count_both, (const uint64_t* a, const uint64_t* b, int64_t words), (a, b, words)) {
  int64_t ones = 0;
  for (int64_t i = 0; i < words; i++) ones += __builtin_popcountll(a[i] & b[i]);
  return ones;
}

}  // namespace

void gram(const std::vector<const float*>& rows, const uint8_t* mask, const std::vector<Range>& ranges, double* out,
    int threads) {
  all_pairs(product_tile, rows, mask, ranges, out, threads);
}

void squared_distances(const std::vector<const float*>& rows, int64_t n, double* out, int threads) {
  all_pairs(distance_tile, rows, nullptr, {{0, n}}, out, threads);
}

void mask_overlaps(const std::vector<const uint8_t*>& masks, int64_t n, double* out, int threads) {
  const int count = static_cast<int>(masks.size());
  const int64_t words = (n + 63) / 64;
  std::vector<uint64_t> bits(static_cast<size_t>(words) * count);
  Pool pool(std::min(threads, std::max(1, count)));
  pool.run(count, [&](int i, int) {
    uint64_t* to = bits.data() + i * words;
    for (int64_t p = 0; p < n; p++) to[p / 64] |= static_cast<uint64_t>(!masks[i] || masks[i][p] != 0) << (p % 64);
  });
  pool.run(count, [&](int i, int) {
    for (int j = i; j < count; j++)
      out[i * count + j] = out[j * count + i] =
          static_cast<double>(count_both(bits.data() + i * words, bits.data() + j * words, words));
  });
}

}  // namespace ft
