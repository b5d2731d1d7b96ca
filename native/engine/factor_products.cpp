#include "factor_products.h"

#include <algorithm>
#include <cstring>

#include "clones.h"
#include "pool.h"

namespace ft {

namespace {

constexpr int64_t kRows = 4, kCols = 32;  // entries of the sum at a time: what the registers hold
constexpr int64_t kDepth = 256;           // components at a time: a strip of kCols of them stays in the L1 cache

typedef double v8 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double u8 __attribute__((vector_size(64), aligned(8), may_alias));

int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// c[kRows][kCols] (rows `stride` apart) += b [depth][kRows] transposed times a [depth][kCols].
FT_WIDE(void, add_tile, (const float* a, const float* b, int64_t depth, double* c, int64_t stride),
    (a, b, depth, c, stride)) {
  v8 sum[kRows][kCols / 8];
  for (int64_t i = 0; i < kRows; i++)
    for (int64_t j = 0; j < kCols / 8; j++) sum[i][j] = *reinterpret_cast<const u8*>(c + i * stride + 8 * j);
  for (int64_t k = 0; k < depth; k++, a += kCols, b += kRows) {
    v8 x[kCols / 8];
    for (int64_t j = 0; j < kCols / 8; j++) x[j] = __builtin_convertvector(*reinterpret_cast<const f8*>(a + 8 * j), v8);
    for (int64_t i = 0; i < kRows; i++) {
      const double y = static_cast<double>(b[i]);
      for (int64_t j = 0; j < kCols / 8; j++) sum[i][j] += x[j] * y;
    }
  }
  for (int64_t i = 0; i < kRows; i++)
    for (int64_t j = 0; j < kCols / 8; j++) *reinterpret_cast<u8*>(c + i * stride + 8 * j) = sum[i][j];
}

// Some components of the terms, A cut into strips [strip][component][kCols] and B into [strip][component][kRows].
class Block {
 public:
  Block(int64_t out, int64_t in)
      : out_(out),
        in_(in),
        a_(static_cast<size_t>(up(in, kCols) * kDepth)),
        b_(static_cast<size_t>(up(out, kRows) * kDepth)) {}
  const float* a(int64_t strip) const { return a_.data() + strip * kDepth * kCols; }
  const float* b(int64_t strip) const { return b_.data() + strip * kDepth * kRows; }

  // Component c of a term becomes component k of the block.
  void take(const FactorTerm& term, int64_t c, int64_t k) {
    const float *v = term.values + term.a + c * in_, *m = term.minus ? term.minus + term.a + c * in_ : nullptr;
    for (int64_t i = 0; i < in_; i++) {
      const float value = m ? static_cast<float>(static_cast<double>(v[i]) - static_cast<double>(m[i])) : v[i];
      a_[(i / kCols * kDepth + k) * kCols + i % kCols] = static_cast<float>(term.weight * static_cast<double>(value));
    }
    v = term.values + term.b + c;
    m = term.minus ? term.minus + term.b + c : nullptr;
    for (int64_t o = 0; o < out_; o++) {
      const int64_t at = o * term.rank;
      b_[(o / kRows * kDepth + k) * kRows + o % kRows] =
          m ? static_cast<float>(static_cast<double>(v[at]) - static_cast<double>(m[at])) : v[at];
    }
  }

 private:
  int64_t out_, in_;
  std::vector<float> a_, b_;
};

// table[i][j] (rank x rank) += row[i] * row[j] over the rows, in order.
FT_WIDE(void, add_outer, (const float* rows, int64_t count, int64_t rank, double* table), (rows, count, rank, table)) {
  for (int64_t r = 0; r < count; r++, rows += rank)
    for (int64_t i = 0; i < rank; i++) {
      const double left = static_cast<double>(rows[i]);
      double* to = table + i * rank;
      for (int64_t j = 0; j < rank; j++) to[j] += left * static_cast<double>(rows[j]);
    }
}

double product_norm(const float* values, const FactorPlace& m) {
  const size_t square = static_cast<size_t>(m.rank * m.rank);
  std::vector<double> ofA(square), ofB(square);
  std::vector<float> at(static_cast<size_t>(m.rank * m.in));
  for (int64_t c = 0; c < m.rank; c++)
    for (int64_t i = 0; i < m.in; i++) at[i * m.rank + c] = values[m.a + c * m.in + i];
  add_outer(at.data(), m.in, m.rank, ofA.data());
  add_outer(values + m.b, m.out, m.rank, ofB.data());
  double sum = 0;
  for (size_t i = 0; i < square; i++) sum += ofB[i] * ofA[i];
  return std::max(0.0, sum);
}

}  // namespace

void product_sum(const std::vector<FactorTerm>& terms, int64_t out, int64_t in, double* sum, int threads) {
  struct Component {
    const FactorTerm* term;
    int64_t at;
  };
  std::vector<Component> all;
  for (const FactorTerm& term : terms)
    for (int64_t c = 0; c < term.rank; c++) all.push_back({&term, c});
  const int64_t stride = up(in, kCols), strips = stride / kCols, height = up(out, kRows);
  std::vector<double> padded(static_cast<size_t>(height * stride));
  Block block(out, in);
  Pool pool(threads);
  for (size_t first = 0; first < all.size(); first += kDepth) {
    const int depth = static_cast<int>(std::min<size_t>(kDepth, all.size() - first));
    pool.run(depth, [&](int k, int) { block.take(*all[first + k].term, all[first + k].at, k); });
    pool.run(static_cast<int>(strips), [&](int s, int) {
      for (int64_t o = 0; o < height; o += kRows)
        add_tile(block.a(s), block.b(o / kRows), depth, padded.data() + o * stride + s * kCols, stride);
    });
  }
  for (int64_t o = 0; o < out; o++) std::copy_n(padded.data() + o * stride, in, sum + o * in);
}

void product_norms(const float* values, const std::vector<FactorPlace>& modules, double* norms, int threads) {
  Pool pool(std::min<int>(threads, static_cast<int>(std::max<size_t>(1, modules.size()))));
  pool.run(static_cast<int>(modules.size()), [&](int m, int) { norms[m] = product_norm(values, modules[m]); });
}

}  // namespace ft
