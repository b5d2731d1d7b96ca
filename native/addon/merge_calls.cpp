#include "merge_calls.h"

#include "../engine/combination.h"
#include "../engine/factor_products.h"
#include "../engine/merge.h"
#include "../engine/products.h"
#include "convert.h"

namespace ft {

namespace {

constexpr int kMostThreads = 1024;  // the pool starts no more than there are cores
constexpr int64_t kMostEntries = int64_t{1} << 40, kMostRank = 1 << 20;

int threads_of(const Napi::Value& v) { return static_cast<int>(count(v, "threads", 1, kMostThreads)); }

// Of a mask; null for all ones.
const uint8_t* bits_of(const Napi::Value& mask, int64_t n) {
  return mask.IsNull() ? nullptr : typed<Napi::Uint8Array>(mask, "mask", n).Data();
}

// Arguments as they come. Lengths and pointers are taken once all were read: reading one may run JavaScript, which may
// take the memory of another away.
std::vector<Napi::Value> elements(const Napi::Value& v, const char* what) {
  return list(v, what, [](const Napi::Value& element) { return element; });
}

// Rows of a merge.
struct Row {
  Napi::Value values, mask;
  double weight;
};

Row row_of(const Napi::Value& row) {
  const Napi::Object o = object(row, "a row");
  const double weight = number(o, "weight");
  if (weight < 0) throw Error("BAD_ARGUMENT", "Expected weights of at least 0.");
  return Row{o.Get("values"), o.Get("mask"), weight};
}
std::vector<Row> rows_of(const Napi::Value& v) { return list(v, "rows", row_of); }
MergeRow pointers(const Row& row, int64_t n) {
  return {typed<Napi::Float32Array>(row.values, "values", n).Data(), bits_of(row.mask, n), row.weight};
}
std::vector<MergeRow> pointers(const std::vector<Row>& rows, int64_t n) {
  std::vector<MergeRow> out;
  for (const auto& row : rows) out.push_back(pointers(row, n));
  return out;
}

int64_t length_of(const Napi::Value& v, const char* what) {
  return static_cast<int64_t>(typed<Napi::Float32Array>(v, what).ElementLength());
}
// Entries of each of some adapters, at least one.
int64_t length_of(const std::vector<Napi::Value>& rows) {
  if (rows.empty()) throw Error("BAD_ARGUMENT", "Expected at least one row but received none.");
  return length_of(rows[0], "rows");
}
std::vector<const float*> pointers(const std::vector<Napi::Value>& rows, int64_t n) {
  std::vector<const float*> out;
  for (const auto& row : rows) out.push_back(typed<Napi::Float32Array>(row, "rows", n).Data());
  return out;
}

Napi::Value merge_mean_call(const Napi::CallbackInfo& info) {
  const auto rows = rows_of(info[0]);
  const int threads = threads_of(info[2]);
  const int64_t n = length_of(info[1], "fallback");
  auto out = fresh<Napi::Float32Array>(info.Env(), n);
  const auto fallback = typed<Napi::Float32Array>(info[1], "fallback", n);
  merge_mean(pointers(rows, n), fallback.Data(), out.Data(), n, threads);
  return out;
}

Napi::Value add_row_call(const Napi::CallbackInfo& info) {
  const Row row = row_of(info[2]);
  auto sum = typed<Napi::Float64Array>(info[0], "sum");
  const int64_t n = static_cast<int64_t>(sum.ElementLength());
  double* weights = info[1].IsNull() ? nullptr : typed<Napi::Float64Array>(info[1], "weights", n).Data();
  const MergeRow own = pointers(row, n);
  if (own.mask && !weights) throw Error("BAD_ARGUMENT", "Expected weights beside a row that has a mask.");
  add_row(own, sum.Data(), weights, n);
  return info.Env().Undefined();
}

Napi::Value sorted_mean_call(const Napi::CallbackInfo& info) {
  const auto rows = rows_of(info[0]);
  const int threads = threads_of(info[3]);
  const int64_t n = length_of(info[1], "fallback"), most = static_cast<int64_t>(rows.size());
  const auto given = typed<Napi::Int32Array>(info[2], "cuts", most + 1);
  const std::vector<int> cuts(given.Data(), given.Data() + most + 1);
  for (int64_t i = 0; i <= most; i++)
    if (cuts[i] >= 0 && 2 * static_cast<int64_t>(cuts[i]) >= i)
      throw Error("BAD_ARGUMENT", "Expected cuts that leave at least one of " + std::to_string(i) +
                                      " values but received " + std::to_string(cuts[i]) + ".");
  auto out = fresh<Napi::Float32Array>(info.Env(), n);
  const auto fallback = typed<Napi::Float32Array>(info[1], "fallback", n);
  sorted_mean(pointers(rows, n), fallback.Data(), cuts, out.Data(), n, threads);
  return out;
}

Napi::Value gram_call(const Napi::CallbackInfo& info) {
  const auto rows = elements(info[0], "rows");
  const int64_t n = length_of(rows);
  const auto ranges = list(info[2], "ranges", [n](const Napi::Value& range) {
    const Napi::Object o = object(range, "a range");
    const int64_t start = integer(o, "start", 0, n);
    return Range{start, integer(o, "end", start, n)};
  });
  const int threads = threads_of(info[3]);
  auto out = fresh<Napi::Float64Array>(info.Env(), ranges.size() * rows.size() * rows.size());
  gram(pointers(rows, n), bits_of(info[1], n), ranges, out.Data(), threads);
  return out;
}

Napi::Value squared_distances_call(const Napi::CallbackInfo& info) {
  const auto rows = elements(info[0], "rows");
  const int64_t n = length_of(rows);
  const int threads = threads_of(info[1]);
  auto out = fresh<Napi::Float64Array>(info.Env(), rows.size() * rows.size());
  squared_distances(pointers(rows, n), n, out.Data(), threads);
  return out;
}

Napi::Value mask_overlaps_call(const Napi::CallbackInfo& info) {
  const int64_t n = count(info[1], "length", 0, int64_t{1} << 40);
  const auto masks = elements(info[0], "masks");
  const int threads = threads_of(info[2]);
  auto out = fresh<Napi::Float64Array>(info.Env(), masks.size() * masks.size());
  std::vector<const uint8_t*> bits;
  for (const Napi::Value& mask : masks) bits.push_back(bits_of(mask, n));
  mask_overlaps(bits, n, out.Data(), threads);
  return out;
}

// A combination's terms.
struct TermValues {
  Napi::Value values, mask, weights;
};

std::vector<TermValues> terms_of(const Napi::Value& v) {
  return list(v, "terms", [](const Napi::Value& term) {
    const Napi::Object o = object(term, "a term");
    return TermValues{o.Get("values"), o.Get("mask"), o.Get("weights")};
  });
}
std::vector<Term> pointers(const std::vector<TermValues>& terms, int64_t n, size_t ranges) {
  std::vector<Term> out;
  for (const auto& term : terms) {
    const auto w = typed<Napi::Float64Array>(term.weights, "weights", static_cast<int64_t>(ranges));
    out.push_back({typed<Napi::Float32Array>(term.values, "values", n).Data(), bits_of(term.mask, n),
        std::vector<double>(w.Data(), w.Data() + ranges)});
  }
  return out;
}

// Ranges in order and without overlap, so that threads do not write to the same entries.
std::vector<Range> ranges_apart(const Napi::Value& v) {
  int64_t from = 0;
  return list(v, "ranges", [&from](const Napi::Value& range) {
    const Napi::Object o = object(range, "a range");
    const int64_t start = integer(o, "start", from, kMostEntries);
    from = integer(o, "end", start, kMostEntries);
    return Range{start, from};
  });
}
void check_end(const std::vector<Range>& ranges, int64_t n) {
  if (!ranges.empty() && ranges.back().end > n)
    throw Error("BAD_ARGUMENT", "Expected ranges inside of " + std::to_string(n) + " entries but the last ends at " +
                                    std::to_string(ranges.back().end) + ".");
}

Napi::Value add_combination_call(const Napi::CallbackInfo& info) {
  const auto terms = terms_of(info[1]);
  const auto ranges = ranges_apart(info[2]);
  if (!info[3].IsNumber()) throw Error("BAD_ARGUMENT", "Expected a number for scale.");
  const double scale = info[3].As<Napi::Number>().DoubleValue();
  const int threads = threads_of(info[4]);
  const int64_t n = length_of(info[0], "base");
  check_end(ranges, n);
  auto out = fresh<Napi::Float32Array>(info.Env(), n);
  const auto base = typed<Napi::Float32Array>(info[0], "base", n);
  add_combination(base.Data(), pointers(terms, n, ranges.size()), ranges, scale, out.Data(), n, threads);
  return out;
}

Napi::Value sum_combinations_call(const Napi::CallbackInfo& info) {
  const auto all = list(info[0], "combinations", terms_of);
  const auto ranges = ranges_apart(info[1]);
  const int64_t n = count(info[2], "length", 0, kMostEntries);
  const int threads = threads_of(info[3]);
  check_end(ranges, n);
  auto out = fresh<Napi::Float64Array>(info.Env(), n);
  std::vector<std::vector<Term>> combinations;
  for (const auto& terms : all) combinations.push_back(pointers(terms, n, ranges.size()));
  sum_combinations(combinations, ranges, out.Data(), n, threads);
  return out;
}

FactorPlace place_of(const Napi::Object& o, int64_t in, int64_t out) {
  return {integer(o, "offsetA", 0, kMostEntries), integer(o, "offsetB", 0, kMostEntries),
      integer(o, "rank", 0, kMostRank), in, out};
}
// Throws unless n entries hold the factors of a module.
void check_factors(const FactorPlace& m, int64_t n) {
  if (m.a + m.rank * m.in > n || m.b + m.out * m.rank > n)
    throw Error("BAD_ARGUMENT", "Expected factors inside of " + std::to_string(n) + " entries.");
}

struct SummandValues {
  Napi::Value values, minus;
  double weight;
  FactorPlace place;
};

Napi::Value product_sum_call(const Napi::CallbackInfo& info) {
  const int64_t out_dim = count(info[1], "outDim", 1, kMostRank), in_dim = count(info[2], "inDim", 1, kMostRank);
  const int threads = threads_of(info[3]);
  const auto summands = list(info[0], "summands", [=](const Napi::Value& summand) {
    const Napi::Object o = object(summand, "a summand");
    return SummandValues{o.Get("values"), o.Get("minus"), number(o, "weight"), place_of(o, in_dim, out_dim)};
  });
  auto out = fresh<Napi::Float64Array>(info.Env(), out_dim * in_dim);
  std::vector<FactorTerm> terms;
  for (const auto& [values, minus, weight, place] : summands) {
    const auto own = typed<Napi::Float32Array>(values, "values");
    const int64_t n = static_cast<int64_t>(own.ElementLength());
    check_factors(place, n);
    const float* from = minus.IsNull() ? nullptr : typed<Napi::Float32Array>(minus, "minus", n).Data();
    terms.push_back({own.Data(), from, weight, place.a, place.b, place.rank});
  }
  product_sum(terms, out_dim, in_dim, out.Data(), threads);
  return out;
}

Napi::Value product_norms_call(const Napi::CallbackInfo& info) {
  const auto modules = list(info[1], "modules", [](const Napi::Value& module) {
    const Napi::Object o = object(module, "a module");
    return place_of(o, integer(o, "inDim", 1, kMostRank), integer(o, "outDim", 1, kMostRank));
  });
  const int threads = threads_of(info[2]);
  auto out = fresh<Napi::Float64Array>(info.Env(), modules.size());
  const auto values = typed<Napi::Float32Array>(info[0], "values");
  for (const auto& module : modules) check_factors(module, static_cast<int64_t>(values.ElementLength()));
  product_norms(values.Data(), modules, out.Data(), threads);
  return out;
}

}  // namespace

void define_merges(Napi::Env env, Napi::Object exports) {
  exports.Set("mergeMean", Napi::Function::New<guarded<merge_mean_call>>(env));
  exports.Set("addRow", Napi::Function::New<guarded<add_row_call>>(env));
  exports.Set("sortedMean", Napi::Function::New<guarded<sorted_mean_call>>(env));
  exports.Set("gram", Napi::Function::New<guarded<gram_call>>(env));
  exports.Set("squaredDistances", Napi::Function::New<guarded<squared_distances_call>>(env));
  exports.Set("maskOverlaps", Napi::Function::New<guarded<mask_overlaps_call>>(env));
  exports.Set("addCombination", Napi::Function::New<guarded<add_combination_call>>(env));
  exports.Set("sumCombinations", Napi::Function::New<guarded<sum_combinations_call>>(env));
  exports.Set("productSum", Napi::Function::New<guarded<product_sum_call>>(env));
  exports.Set("productNorms", Napi::Function::New<guarded<product_norms_call>>(env));
}

}  // namespace ft
