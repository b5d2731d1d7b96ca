// The module: classes and functions of `NativeBinding` in src/native/binding.ts. Loaded once a thread of node; what is
// shared between threads (base weights, ggml) lives behind mutexes in native/engine.
#include <napi.h>

#include <thread>

#include "../engine/check.h"
#include "../engine/ggml_reader.h"
#include "../engine/kernel_task.h"
#include "../engine/merge.h"
#include "../engine/peak.h"
#include "base_handle.h"
#include "convert.h"
#include "trainer_handle.h"

namespace ft {

namespace {

std::string text(const Napi::Value& v, const char* what) {
  if (!v.IsString()) throw Error("BAD_ARGUMENT", std::string("Expected a string for ") + what + ".");
  return v.As<Napi::String>().Utf8Value();
}
int64_t count(const Napi::Value& v, const char* what, int64_t lo, int64_t hi) {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : -1;
  if (!(x >= static_cast<double>(lo) && x <= static_cast<double>(hi)) || x != std::floor(x))
    throw Error("BAD_ARGUMENT", std::string("Expected a whole number between ") + std::to_string(lo) + " and " +
                                    std::to_string(hi) + " for " + what + ".");
  return static_cast<int64_t>(x);
}

Napi::Value cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  Napi::Array sets = Napi::Array::New(env), features = Napi::Array::New(env);
  for (const char* name : {"amx", "vnni", "avxvnni", "avx2", "neon", "portable"})
    if (kernels_by_name(name)) sets.Set(sets.Length(), name);
#if defined(__x86_64__)
  __builtin_cpu_init();
#define FT_FEATURE(name) \
  if (__builtin_cpu_supports(name)) features.Set(features.Length(), name)
  FT_FEATURE("avx2");
  FT_FEATURE("fma");
  FT_FEATURE("avx512f");
  FT_FEATURE("avx512vnni");
  FT_FEATURE("avx512bf16");
#undef FT_FEATURE
#endif
  out.Set("kernels", sets);
  out.Set("features", features);
  return out;
}

Napi::Value ggml_version(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    return Napi::String::New(info.Env(), GgmlReader::open(text(info[0], "ggmlLibrary")).version());
  });
}

Napi::Value dequantize(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const auto& reader = GgmlReader::open(text(info[0], "ggmlLibrary"));
    const int type = static_cast<int>(count(info[1], "type", 0, 1 << 16));
    const auto bytes = typed<Napi::Uint8Array>(info[2], "bytes");
    const int64_t n = count(info[3], "count", 0, int64_t{1} << 32);
    const int64_t block = reader.block_size(type);
    if (n % block || static_cast<uint64_t>(n / block) * reader.type_size(type) != bytes.ByteLength())
      throw Error("BAD_SHAPE", "Expected the bytes of " + std::to_string(n) + " values of type " +
                                   std::to_string(type) + " but received " + std::to_string(bytes.ByteLength()) +
                                   " bytes.");
    Napi::Float32Array out = Napi::Float32Array::New(info.Env(), n);
    reader.dequantize(type, bytes.Data(), out.Data(), n);
    return out;
  });
}

Napi::Value merge_mean_js(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const Napi::Array list = array(info[0], "rows");
    const auto fallback = typed<Napi::Float32Array>(info[1], "fallback");
    const int64_t n = static_cast<int64_t>(fallback.ElementLength());
    const int threads = static_cast<int>(count(info[2], "threads", 1, 64));
    std::vector<MergeRow> rows;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Object o = object(list.Get(i), "a row");
      MergeRow r;
      r.values = typed<Napi::Float32Array>(o.Get("values"), "values", n).Data();
      const Napi::Value mask = o.Get("mask");
      if (!mask.IsNull()) r.mask = typed<Napi::Uint8Array>(mask, "mask", n).Data();
      r.weight = number(o, "weight");
      if (r.weight < 0) throw Error("BAD_ARGUMENT", "Expected weights of at least 0.");
      rows.push_back(r);
    }
    Napi::Float32Array out = Napi::Float32Array::New(info.Env(), n);
    merge_mean(rows, fallback.Data(), out.Data(), n, threads);
    return out;
  });
}

Napi::Value measure_peak_js(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const Peak p = measure_peak(static_cast<int>(count(info[0], "threads", 1, 64)));
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("fp32", p.fp32);
    out.Set("bf16", p.bf16);
    out.Set("int8", p.int8);
    out.Set("read", p.read);
    return out;
  });
}

Napi::Value check_kernels_js(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const std::string name = text(info[0], "kernels");
    const KernelSet* set = kernels_by_name(name.c_str());
    if (!set) throw Error("UNSUPPORTED_CPU", "Kernel set \"" + name + "\" is not on this processor.");
    const Napi::Object o = object(info[1], "size");
    const auto errors =
        check_kernels(*set, static_cast<int>(integer(o, "m", 1, 4096)), static_cast<int>(integer(o, "n", 1, 4096)),
            static_cast<int>(integer(o, "k", 1, 4096)), static_cast<uint32_t>(integer(o, "seed")));
    Napi::Object out = Napi::Object::New(info.Env());
    for (const auto& [kernel, error] : errors) out.Set(kernel, error);
    return out;
  });
}

// Returns a function of no arguments that runs the kernel once, with its operations and bytes as properties.
Napi::Value kernel_task_js(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const std::string name = text(info[0], "kernels"), kind = text(info[1], "kind");
    const bool naive = name == "naive";
    const KernelSet* set = kernels_by_name(naive ? "portable" : name.c_str());
    if (!set) throw Error("UNSUPPORTED_CPU", "Kernel set \"" + name + "\" is not on this processor.");
    const Napi::Object o = object(info[2], "size");
    const auto dim = [&](const char* key) { return static_cast<int>(integer(o, key, 1, 1 << 16)); };
    const KernelTask task = make_kernel_task(*set, kind, dim("m"), dim("n"), dim("k"), naive);
    Napi::Function run = Napi::Function::New(env, [task](const Napi::CallbackInfo&) { task.run(); });
    run.Set("operations", task.operations);
    run.Set("bytes", task.bytes);
    return run;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const Napi::Function base = BaseHandle::define(env);
  // what TrainerHandle checks its base against
  env.SetInstanceData(new Napi::Reference<Napi::Function>(Napi::Persistent(base)));
  exports.Set("Base", base);
  exports.Set("Trainer", TrainerHandle::define(env));
  exports.Set("cpu", Napi::Function::New(env, cpu));
  exports.Set("ggmlVersion", Napi::Function::New(env, ggml_version));
  exports.Set("dequantize", Napi::Function::New(env, dequantize));
  exports.Set("mergeMean", Napi::Function::New(env, merge_mean_js));
  exports.Set("measurePeak", Napi::Function::New(env, measure_peak_js));
  exports.Set("kernelTask", Napi::Function::New(env, kernel_task_js));
  exports.Set("checkKernels", Napi::Function::New(env, check_kernels_js));
  return exports;
}

}  // namespace

NODE_API_MODULE(fedtune, init)

}  // namespace ft
