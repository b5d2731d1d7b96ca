// Benchmarks of the machine and of single kernels for benchmarks/; `NativeBench` of benchmarks/lib/native.mjs.
#include <napi.h>

#include "../addon/convert.h"
#include "kernel_task.h"
#include "peak.h"

namespace ft {

namespace {

Napi::Value measure_peak_js(const Napi::CallbackInfo& info) {
  const Peak p = measure_peak(static_cast<int>(count(info[0], "threads", 1, 64)));
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("fp32", p.fp32);
  out.Set("bf16", p.bf16);
  out.Set("int8", p.int8);
  out.Set("read", p.read);
  return out;
}

// Returns a function of no arguments that runs the kernel once, with its operations and bytes as properties.
Napi::Value kernel_task_js(const Napi::CallbackInfo& info) {
  const std::string name = text(info[0], "kernels"), kind = text(info[1], "kind");
  const bool naive = name == "naive";
  const KernelSet* set = kernels_by_name(naive ? "portable" : name.c_str());
  if (!set) throw Error("UNSUPPORTED_CPU", "Kernel set \"" + name + "\" is not on this processor.");
  const Napi::Object o = object(info[2], "size");
  const auto dim = [&](const char* key) { return static_cast<int>(integer(o, key, 1, 1 << 16)); };
  const KernelTask task = make_kernel_task(*set, kind, dim("m"), dim("n"), dim("k"), naive);
  Napi::Function run = Napi::Function::New(info.Env(), [task](const Napi::CallbackInfo&) { task.run(); });
  run.Set("operations", task.operations);
  run.Set("bytes", task.bytes);
  return run;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("measurePeak", Napi::Function::New<guarded<measure_peak_js>>(env));
  exports.Set("kernelTask", Napi::Function::New<guarded<kernel_task_js>>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(fedtune_bench, init)

}  // namespace ft
