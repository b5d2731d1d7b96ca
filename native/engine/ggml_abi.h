// What the engine has to know of ggml's binary interface, in the version that src/native/load.ts asks for. Held against ggml's own
// header by tests/native/ggmlAbi.test.ts.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ft::ggml {

enum Type : int {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ4_NL = 20,
  IQ4_XS = 23,
  BF16 = 30,
  TYPE_COUNT = 43,
};

struct TypeTraits {
  const char* name;
  int64_t block_size;
  int64_t block_interleave;
  size_t type_size;
  bool is_quantized;
  void (*to_float)(const void* from, float* to, int64_t count);
  void (*from_float)(const float* from, void* to, int64_t count);
};

using GetTraits = const TypeTraits* (*)(Type);
using GetVersion = const char* (*)();
// type, from, to, start, rows, values a row, importance of each value or null; returns bytes written
using QuantizeChunk = size_t (*)(Type, const float*, void*, int64_t, int64_t, int64_t, const float*);

}  // namespace ft::ggml
