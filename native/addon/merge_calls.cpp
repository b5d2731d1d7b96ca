#include "merge_calls.h"

#include "../engine/merge.h"
#include "../engine/products.h"
#include "async.h"

namespace ft {

namespace {

constexpr int kMostThreads = 1024;  // the pool starts no more than there are cores

struct Call {
  Work work;
  Finish finish;
  Held held;
};

// The arrays of a call, kept from the garbage collector while it runs. Lengths and pointers are taken once all
// arguments were read: reading one may run JavaScript, which may take the memory of another away.
class Arrays {
 public:
  explicit Arrays(Napi::Env env) : list_(Napi::Persistent(Napi::Array::New(env))) {}
  template <class T>
  T add(T array) {
    list_.Value().Set(size_++, array);
    return array;
  }

 private:
  Napi::Reference<Napi::Array> list_;
  uint32_t size_ = 0;
};

// Of a mask; null for all ones.
const uint8_t* bits_of(const Napi::Value& mask, int64_t n) {
  return mask.IsNull() ? nullptr : typed<Napi::Uint8Array>(mask, "mask", n).Data();
}

// Rows of a merge.
struct Rows {
  std::vector<Napi::Value> values, masks;
  std::vector<double> weights;

  Rows(const Napi::Value& v, Arrays& arrays) {
    const Napi::Array list = array(v, "rows");
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Object o = object(list.Get(i), "a row");
      values.push_back(arrays.add(o.Get("values")));
      masks.push_back(arrays.add(o.Get("mask")));
      weights.push_back(number(o, "weight"));
      if (weights.back() < 0) throw Error("BAD_ARGUMENT", "Expected weights of at least 0.");
    }
  }
  std::vector<MergeRow> rows(int64_t n) const {
    std::vector<MergeRow> out;
    for (size_t i = 0; i < values.size(); i++)
      out.push_back({typed<Napi::Float32Array>(values[i], "values", n).Data(), bits_of(masks[i], n), weights[i]});
    return out;
  }
};

std::vector<Napi::Value> elements(const Napi::Value& v, const char* what, Arrays& arrays) {
  const Napi::Array list = array(v, what);
  std::vector<Napi::Value> out;
  for (uint32_t i = 0; i < list.Length(); i++) out.push_back(arrays.add(list.Get(i)));
  return out;
}
// Entries of each of some adapters, at least one.
int64_t length_of(const std::vector<Napi::Value>& rows) {
  if (rows.empty()) throw Error("BAD_ARGUMENT", "Expected at least one row but received none.");
  return static_cast<int64_t>(typed<Napi::Float32Array>(rows[0], "rows").ElementLength());
}
std::vector<const float*> pointers(const std::vector<Napi::Value>& rows, int64_t n) {
  std::vector<const float*> out;
  for (const auto& row : rows) out.push_back(typed<Napi::Float32Array>(row, "rows", n).Data());
  return out;
}

int threads_of(const Napi::Value& v) { return static_cast<int>(count(v, "threads", 1, kMostThreads)); }

// The call that fills `out` and returns it.
template <class T, class F>
Call fills(T out, std::shared_ptr<Arrays> arrays, F&& fill) {
  arrays->add(out);
  auto result = std::make_shared<Napi::Reference<T>>(Napi::Persistent(out));
  return {[fill = std::forward<F>(fill), to = out.Data()] { fill(to); },
      [result](Napi::Env) -> Napi::Value { return result->Value(); }, std::move(arrays)};
}

Call merge_mean_call(const Napi::CallbackInfo& info) {
  auto arrays = std::make_shared<Arrays>(info.Env());
  const Rows rows(info[0], *arrays);
  const int threads = threads_of(info[2]);
  const auto fallback = arrays->add(typed<Napi::Float32Array>(info[1], "fallback"));
  const int64_t n = static_cast<int64_t>(fallback.ElementLength());
  return fills(Napi::Float32Array::New(info.Env(), n), std::move(arrays),
      [rows = rows.rows(n), fallback = fallback.Data(), n, threads](
          float* out) { merge_mean(rows, fallback, out, n, threads); });
}

Call sorted_mean_call(const Napi::CallbackInfo& info) {
  auto arrays = std::make_shared<Arrays>(info.Env());
  const Rows rows(info[0], *arrays);
  const int threads = threads_of(info[3]);
  const auto fallback = arrays->add(typed<Napi::Float32Array>(info[1], "fallback"));
  const int64_t n = static_cast<int64_t>(fallback.ElementLength()), most = static_cast<int64_t>(rows.values.size());
  const auto given = typed<Napi::Int32Array>(info[2], "cuts", most + 1);
  const std::vector<int> cuts(given.Data(), given.Data() + most + 1);
  for (int64_t i = 0; i <= most; i++)
    if (cuts[i] >= 0 && 2 * static_cast<int64_t>(cuts[i]) >= i)
      throw Error("BAD_ARGUMENT", "Expected cuts that leave at least one of " + std::to_string(i) +
                                      " values but received " + std::to_string(cuts[i]) + ".");
  return fills(Napi::Float32Array::New(info.Env(), n), std::move(arrays),
      [rows = rows.rows(n), fallback = fallback.Data(), cuts, n, threads](
          float* out) { sorted_mean(rows, fallback, cuts, out, n, threads); });
}

Call gram_call(const Napi::CallbackInfo& info) {
  auto arrays = std::make_shared<Arrays>(info.Env());
  const auto rows = elements(info[0], "rows", *arrays);
  const int64_t n = length_of(rows);
  arrays->add(info[1]);
  const Napi::Array list = array(info[2], "ranges");
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object o = object(list.Get(i), "a range");
    const int64_t start = integer(o, "start", 0, n);
    ranges.push_back({start, integer(o, "end", start, n)});
  }
  const int threads = threads_of(info[3]);
  return fills(Napi::Float64Array::New(info.Env(), ranges.size() * rows.size() * rows.size()), std::move(arrays),
      [rows = pointers(rows, n), mask = bits_of(info[1], n), ranges, threads](
          double* out) { gram(rows, mask, ranges, out, threads); });
}

Call squared_distances_call(const Napi::CallbackInfo& info) {
  auto arrays = std::make_shared<Arrays>(info.Env());
  const auto rows = elements(info[0], "rows", *arrays);
  const int64_t n = length_of(rows);
  const int threads = threads_of(info[1]);
  return fills(Napi::Float64Array::New(info.Env(), rows.size() * rows.size()), std::move(arrays),
      [rows = pointers(rows, n), n, threads](double* out) { squared_distances(rows, n, out, threads); });
}

Call mask_overlaps_call(const Napi::CallbackInfo& info) {
  auto arrays = std::make_shared<Arrays>(info.Env());
  const int64_t n = count(info[1], "length", 0, int64_t{1} << 40);
  const auto masks = elements(info[0], "masks", *arrays);
  const int threads = threads_of(info[2]);
  std::vector<const uint8_t*> bits;
  for (const Napi::Value& mask : masks) bits.push_back(bits_of(mask, n));
  return fills(Napi::Float64Array::New(info.Env(), masks.size() * masks.size()), std::move(arrays),
      [bits, n, threads](double* out) { mask_overlaps(bits, n, out, threads); });
}

template <Call (*make)(const Napi::CallbackInfo&)>
void define(Napi::Env env, Napi::Object exports, const std::string& name) {
  exports.Set(name, Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
    return guard(info.Env(), [&]() -> Napi::Value {
      const Call call = make(info);
      call.work();
      return call.finish(info.Env());
    });
  }));
  exports.Set(name + "Async", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
    return promised(info.Env(), [&]() -> Napi::Value {
      Call call = make(info);
      return AsyncCall::start(info.Env(), std::move(call.work), std::move(call.finish), std::move(call.held));
    });
  }));
}

}  // namespace

void define_merges(Napi::Env env, Napi::Object exports) {
  define<merge_mean_call>(env, exports, "mergeMean");
  define<sorted_mean_call>(env, exports, "sortedMean");
  define<gram_call>(env, exports, "gram");
  define<squared_distances_call>(env, exports, "squaredDistances");
  define<mask_overlaps_call>(env, exports, "maskOverlaps");
}

}  // namespace ft
