#include "ggml_reader.h"

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "error.h"

#ifdef _WIN32
#include "windows_path.h"
#else
#include <dlfcn.h>
#endif

namespace ft {

namespace {

// Of what ggml can quantise to, the types that want nothing but the values. It ends the process on others.
bool can_quantize(int type) {
  switch (type) {
    case ggml::F32:
    case ggml::F16:
    case ggml::BF16:
    case ggml::Q4_0:
    case ggml::Q4_1:
    case ggml::Q5_0:
    case ggml::Q5_1:
    case ggml::Q8_0:
    case ggml::Q2_K:
    case ggml::Q3_K:
    case ggml::Q4_K:
    case ggml::Q5_K:
    case ggml::Q6_K:
    case ggml::IQ4_NL:
    case ggml::IQ4_XS: return true;
    default: return false;
  }
}

void* symbol(void* handle, const char* name) {
#ifdef _WIN32
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle), name));
#else
  return dlsym(handle, name);
#endif
}

}  // namespace

GgmlReader::GgmlReader(const std::string& library) {
#ifdef _WIN32
  void* handle = LoadLibraryExW(wide(library).c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  const std::string why = handle ? "" : "error " + std::to_string(GetLastError());
#else
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* message = handle ? nullptr : dlerror();
  const std::string why = message ? message : "";
#endif
  if (!handle)
    throw Error("GGML_LOAD",
        "Could not open ggml's base library \"" + library + "\" (" + why + "). Install anew, with optional dependencies: npm install");
  get_traits_ = symbol(handle, "ggml_get_type_traits");
  auto version = reinterpret_cast<ggml::GetVersion>(symbol(handle, "ggml_version"));
  quantize_chunk_ = symbol(handle, "ggml_quantize_chunk");
  if (!get_traits_ || !version || !quantize_chunk_)
    throw Error("GGML_LOAD", "\"" + library +
                                 "\" lacks ggml_get_type_traits, ggml_version or ggml_quantize_chunk. Install "
                                 "anew: npm install");
  version_ = version();
}

const GgmlReader& GgmlReader::open(const std::string& library) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<GgmlReader>> readers;
  std::lock_guard<std::mutex> lock(mutex);
  auto& reader = readers[library];
  if (!reader) reader.reset(new GgmlReader(library));
  return *reader;
}

const ggml::TypeTraits* GgmlReader::traits(int type) const {
  const ggml::TypeTraits* t = type >= 0 && type < ggml::TYPE_COUNT
                                  ? reinterpret_cast<ggml::GetTraits>(get_traits_)(static_cast<ggml::Type>(type))
                                  : nullptr;
  const bool plain = type == ggml::F32;
  if (!t || t->block_size <= 0 || t->type_size == 0 || (!t->to_float && !plain))
    throw Error("UNSUPPORTED_TYPE", "Expected a weight type that ggml can dequantise but received type " +
                                        std::to_string(type) + ". Convert the model to F16, Q8_0 or a K-quant.");
  return t;
}

int64_t GgmlReader::block_size(int type) const { return traits(type)->block_size; }
size_t GgmlReader::type_size(int type) const { return traits(type)->type_size; }

void GgmlReader::dequantize(int type, const void* from, float* to, int64_t count) const {
  const ggml::TypeTraits* t = traits(type);
  if (type == ggml::F32) {
    std::memcpy(to, from, count * sizeof(float));
  } else if (reinterpret_cast<uintptr_t>(from) % alignof(float) == 0) {
    t->to_float(from, to, count);
  } else {
    // ggml reads whole blocks and numbers; safetensors promise no alignment
    const auto* bytes = static_cast<const uint8_t*>(from);
    const std::vector<uint8_t> copy(bytes, bytes + count / t->block_size * t->type_size);
    t->to_float(copy.data(), to, count);
  }
}

void GgmlReader::quantize(int type, const float* from, void* to, int64_t count) const {
  if (!can_quantize(type))
    throw Error("UNSUPPORTED_TYPE",
        "Expected a type to quantise to (F32, F16, BF16, Q4_0 .. Q8_0, Q2_K .. Q6_K, IQ4_NL, "
        "IQ4_XS) but received type " +
            std::to_string(type) + ".");
  for (int64_t i = 0; i < count; i++)
    if (!std::isfinite(from[i]))
      throw Error("NON_FINITE", "Expected finite values to quantise but received " + std::to_string(from[i]) +
                                    " at entry " + std::to_string(i) + ".");
  reinterpret_cast<ggml::QuantizeChunk>(quantize_chunk_)(static_cast<ggml::Type>(type), from, to, 0, 1, count, nullptr);
}

}  // namespace ft
