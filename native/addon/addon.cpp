// The module: classes and functions of `NativeBinding` in src/native/binding.ts. Loaded once a thread of node; what is
// shared between threads (base weights, ggml) lives behind mutexes in native/engine.
#include <napi.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "../engine/ggml_reader.h"
#include "../kernels/cpu.h"
#include "base_handle.h"
#include "convert.h"
#include "merge_calls.h"
#include "trainer_handle.h"

namespace ft {

namespace {

Napi::Value cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  Napi::Array sets = Napi::Array::New(env), features = Napi::Array::New(env);
  for (const char* name : {"amx", "avx512bf16", "vnni", "avxvnni", "avx2", "i8mm", "neon", "portable"})
    if (kernels_by_name(name)) sets.Set(sets.Length(), name);
#if defined(__x86_64__)
  for (const char* name : {"avx2", "fma", "avx512f", "avx512vnni", "avx512bf16"})
    if (cpu_supports(name)) features.Set(features.Length(), name);
#endif
  out.Set("kernels", sets);
  out.Set("features", features);
  return out;
}

Napi::Value ggml_version(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), GgmlReader::open(text(info[0], "ggmlLibrary")).version());
}

Napi::Value dequantize(const Napi::CallbackInfo& info) {
  const auto& reader = GgmlReader::open(text(info[0], "ggmlLibrary"));
  const int type = static_cast<int>(count(info[1], "type", 0, 1 << 16));
  const auto bytes = typed<Napi::Uint8Array>(info[2], "bytes");
  const int64_t n = count(info[3], "count", 0, int64_t{1} << 32), block = reader.block_size(type);
  if (n % block || static_cast<uint64_t>(n / block) * reader.type_size(type) != bytes.ByteLength())
    throw Error("BAD_SHAPE", "Expected the bytes of " + std::to_string(n) + " values of type " + std::to_string(type) +
                                 " but received " + std::to_string(bytes.ByteLength()) + " bytes.");
  auto out = fresh<Napi::Float32Array>(info.Env(), n);
  const auto from = typed<Napi::Uint8Array>(info[2], "bytes", static_cast<int64_t>(bytes.ByteLength()));
  reader.dequantize(type, from.Data(), out.Data(), n);
  return out;
}

Napi::Value quantize(const Napi::CallbackInfo& info) {
  const auto& reader = GgmlReader::open(text(info[0], "ggmlLibrary"));
  const int type = static_cast<int>(count(info[1], "type", 0, 1 << 16));
  const auto values = typed<Napi::Float32Array>(info[2], "values");
  const int64_t n = static_cast<int64_t>(values.ElementLength()), block = reader.block_size(type);
  if (n % block)
    throw Error("BAD_SHAPE", "Expected a multiple of " + std::to_string(block) + " values for type " +
                                 std::to_string(type) + " but received " + std::to_string(n) + ".");
  auto out = fresh<Napi::Uint8Array>(info.Env(), n / block * static_cast<int64_t>(reader.type_size(type)));
  const auto from = typed<Napi::Float32Array>(info[2], "values", n);
  if (n > 0) reader.quantize(type, from.Data(), out.Data(), n);
  return out;
}

// What is as large as an adapter goes back to the system when it is let go of. glibc would else, once the first such
// block was freed, take all that follow from heaps that it keeps.
void return_large_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  return_large_blocks();
  exports.Set("Base", BaseHandle::define(env));
  exports.Set("Trainer", TrainerHandle::define(env));
  exports.Set("cpu", Napi::Function::New<guarded<cpu>>(env));
  exports.Set("ggmlVersion", Napi::Function::New<guarded<ggml_version>>(env));
  exports.Set("dequantize", Napi::Function::New<guarded<dequantize>>(env));
  exports.Set("quantize", Napi::Function::New<guarded<quantize>>(env));
  define_merges(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(fedtune, init)

}  // namespace ft
