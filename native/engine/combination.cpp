#include "combination.h"

#include <algorithm>
#include <cstring>

#include "clones.h"
#include "pool.h"

namespace ft {

namespace {

constexpr int64_t kChunk = 2048;  // entries whose sum stays in the L1 cache
constexpr int64_t kPiece = 8 * kChunk;

FT_WIDE(void, add_row, (const float* __restrict v, double w, double* __restrict sum, int64_t n), (v, w, sum, n)) {
  for (int64_t i = 0; i < n; i++) sum[i] += w * static_cast<double>(v[i]);
}

// Values as integers: where the mask is 0 whatever they hold becomes 0, without a branch.
FT_WIDE(void, add_masked_row,
    (const float* __restrict v, const uint8_t* __restrict m, double w, double* __restrict sum, int64_t n),
    (v, m, w, sum, n)) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    std::memcpy(&bits, v + i, sizeof bits);
    bits &= 0u - static_cast<uint32_t>(m[i] != 0);
    float kept;
    std::memcpy(&kept, &bits, sizeof kept);
    sum[i] += w * static_cast<double>(kept);
  }
}

FT_WIDE(void, add_scaled, (const double* __restrict x, double scale, float* __restrict out, int64_t n),
    (x, scale, out, n)) {
  for (int64_t i = 0; i < n; i++) out[i] = static_cast<float>(static_cast<double>(out[i]) + scale * x[i]);
}

// Terms of range r over entries at .. at + n.
void add_terms(const std::vector<Term>& terms, size_t r, int64_t at, int64_t n, double* sum) {
  for (const Term& term : terms) {
    const double w = term.weights[r];
    if (w == 0) continue;
    if (term.mask) add_masked_row(term.values + at, term.mask + at, w, sum, n);
    else add_row(term.values + at, w, sum, n);
  }
}

// Calls fn(range, at, n) for chunks of all ranges, on all threads.
template <class F>
void by_chunks(const std::vector<Range>& ranges, int threads, F&& fn) {
  struct Piece {
    size_t range;
    int64_t start, end;
  };
  std::vector<Piece> pieces;
  for (size_t r = 0; r < ranges.size(); r++)
    for (int64_t at = ranges[r].start; at < ranges[r].end; at += kPiece)
      pieces.push_back({r, at, std::min(ranges[r].end, at + kPiece)});
  Pool pool(std::min<int>(threads, static_cast<int>(std::max<size_t>(1, pieces.size()))));
  pool.run(static_cast<int>(pieces.size()), [&](int i, int) {
    const Piece& piece = pieces[i];
    for (int64_t at = piece.start; at < piece.end; at += kChunk) fn(piece.range, at, std::min(kChunk, piece.end - at));
  });
}

}  // namespace

void add_combination(const float* base, const std::vector<Term>& terms, const std::vector<Range>& ranges, double scale,
    float* out, int64_t n, int threads) {
  std::copy(base, base + n, out);
  by_chunks(ranges, threads, [&](size_t r, int64_t at, int64_t count) {
    double sum[kChunk] = {};
    add_terms(terms, r, at, count, sum);
    add_scaled(sum, scale, out + at, count);
  });
}

void sum_combinations(const std::vector<std::vector<Term>>& combinations, const std::vector<Range>& ranges, double* out,
    int64_t n, int threads) {
  std::fill(out, out + n, 0.0);
  by_chunks(ranges, threads, [&](size_t r, int64_t at, int64_t count) {
    for (const std::vector<Term>& terms : combinations) {
      double sum[kChunk] = {};
      add_terms(terms, r, at, count, sum);
      for (int64_t i = 0; i < count; i++) out[at + i] += sum[i];
    }
  });
}

}  // namespace ft
