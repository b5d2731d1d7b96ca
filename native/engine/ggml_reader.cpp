#include "ggml_reader.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "error.h"
#include "ggml.h"  // from the release bundle inside the node-llama-cpp package

#ifdef _WIN32
#include "windows_path.h"
#else
#include <dlfcn.h>
#endif

namespace ft {

namespace {

using GetTraits = const ggml_type_traits* (*)(ggml_type);
using GetVersion = const char* (*)();

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
        "Could not open ggml's base library \"" + library + "\" (" + why + "). Reinstall node-llama-cpp: npm ci");
  get_traits_ = symbol(handle, "ggml_get_type_traits");
  auto version = reinterpret_cast<GetVersion>(symbol(handle, "ggml_version"));
  if (!get_traits_ || !version)
    throw Error("GGML_LOAD",
        "\"" + library + "\" lacks ggml_get_type_traits or ggml_version. Reinstall node-llama-cpp: npm ci");
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

const void* GgmlReader::traits(int type) const {
  const ggml_type_traits* t = type >= 0 && type < GGML_TYPE_COUNT
                                  ? reinterpret_cast<GetTraits>(get_traits_)(static_cast<ggml_type>(type))
                                  : nullptr;
  const bool plain = type == GGML_TYPE_F32;
  if (!t || t->blck_size <= 0 || t->type_size == 0 || (!t->to_float && !plain))
    throw Error("UNSUPPORTED_TYPE", "Expected a weight type that ggml can dequantise but received type " +
                                        std::to_string(type) + ". Convert the model to F16, Q8_0 or a K-quant.");
  return t;
}

int64_t GgmlReader::block_size(int type) const { return static_cast<const ggml_type_traits*>(traits(type))->blck_size; }
size_t GgmlReader::type_size(int type) const { return static_cast<const ggml_type_traits*>(traits(type))->type_size; }

void GgmlReader::dequantize(int type, const void* from, float* to, int64_t count) const {
  const auto* t = static_cast<const ggml_type_traits*>(traits(type));
  if (type == GGML_TYPE_F32) {
    std::memcpy(to, from, count * sizeof(float));
  } else if (reinterpret_cast<uintptr_t>(from) % alignof(float) == 0) {
    t->to_float(from, to, count);
  } else {
    // ggml reads whole blocks and numbers; safetensors promise no alignment
    const auto* bytes = static_cast<const uint8_t*>(from);
    const std::vector<uint8_t> copy(bytes, bytes + count / t->blck_size * t->type_size);
    t->to_float(copy.data(), to, count);
  }
}

}  // namespace ft
