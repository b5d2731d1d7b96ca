// The part of ggml that the engine uses: dequantising rows of any GGUF weight type, and quantising to some. The library
// is the one that node-llama-cpp ships; nothing of ggml is compiled here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "ggml_abi.h"

namespace ft {

class GgmlReader {
 public:
  // Opens `library` (libggml-base); throws GGML_LOAD. Opened once a process and path.
  static const GgmlReader& open(const std::string& library);

  const std::string& version() const { return version_; }
  // Values a block and bytes a block of a type; throws UNSUPPORTED_TYPE.
  int64_t block_size(int type) const;
  size_t type_size(int type) const;
  // Dequantises `count` values (a multiple of the block size).
  void dequantize(int type, const void* from, float* to, int64_t count) const;
  // Quantises `count` finite values (a multiple of the block size) into count / block_size * type_size bytes, as
  // llama.cpp does without an importance matrix. Throws UNSUPPORTED_TYPE for types that need one.
  void quantize(int type, const float* from, void* to, int64_t count) const;

 private:
  explicit GgmlReader(const std::string& library);
  const ggml::TypeTraits* traits(int type) const;
  std::string version_;
  void* get_traits_ = nullptr;
  void* quantize_chunk_ = nullptr;
};

}  // namespace ft
