// What a base model computes, told in features (mirrors ModelDescription in src/native/binding.ts). No name of an
// architecture is known below src/model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ft {

struct TensorSource {
  std::string name;
  int file = 0;
  uint64_t offset = 0, bytes = 0;
  int type = 0;
  std::vector<int64_t> ne;
};

// RoPE turns the first `dim` dimensions of a head by position * theta^(-2 i / dim) / factors[i] and scales them by
// `magnitude`. Every scaling of the field (linear, llama3, yarn, longrope) comes down to factors and a magnitude.
struct RopeTable {
  double theta = 0;
  int dim = 0;
  bool interleaved = false;     // pairs (2 i, 2 i + 1), or else (i, i + dim / 2)
  std::vector<double> factors;  // empty (all 1) or dim / 2
  double magnitude = 1;
};

enum class QkNorm { None, Head };  // an RMS norm of q and k before RoPE: of each head

struct Description {
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, vocab = 0, context = 0;
  float norm_eps = 0;
  QkNorm qk_norm = QkNorm::None;
  float attention_scale = 0;  // of the scores
  std::vector<RopeTable> ropes;
  std::vector<int> rope_of_layer;  // index into ropes; -1: the layer knows no positions
  std::vector<std::string> files;
  std::vector<TensorSource> tensors;

  int q() const { return heads * head_dim; }      // columns of q, and of what attention puts out
  int kv() const { return kv_heads * head_dim; }  // columns of k, of v
};

// Throws BAD_MODEL where the numbers make no sense together.
void check(const Description& d);

}  // namespace ft
