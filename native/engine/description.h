// What a base model computes, told in features (mirrors ModelDescription in src/native/binding.ts). No name of an
// architecture is known below src/model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../kernels/kernels.h"

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

enum class QkNorm { None, Head, Row };  // an RMS norm of q and k before RoPE: of each head, or of all heads as one row

struct LayerDescription {
  int rope = 0;    // index into ropes; -1: the layer knows no positions
  int window = 0;  // a token sees itself and the window - 1 before it; 0: all before it
};

struct Description {
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, vocab = 0, context = 0;
  float norm_eps = 0;
  float norm_offset = 0;   // added to the weights of all norms as they are stored
  bool pre_norm = true;    // of what attention and the feed-forward part take in
  bool post_norm = false;  // of what they put out, before it is added to the residual stream
  QkNorm qk_norm = QkNorm::None;
  Activation activation = Activation::Silu;
  bool fused_qkv = false, fused_gate_up = false;     // one tensor, and one target of an adapter: attn_qkv; ffn_gate_up
  float embedding_scale = 1, residual_scale = 1;     // of embeddings; of what a part adds to the residual stream
  float attention_scale = 0, attention_softcap = 0;  // of the scores; softcaps: 0 for none
  float logit_scale = 1, logit_softcap = 0;
  std::vector<RopeTable> ropes;
  std::vector<LayerDescription> per_layer;
  std::vector<std::string> files;
  std::vector<TensorSource> tensors;

  int q() const { return heads * head_dim; }      // columns of q, and of what attention puts out
  int kv() const { return kv_heads * head_dim; }  // columns of k, of v
};

// Throws BAD_MODEL where the numbers make no sense together.
void check(const Description& d);

}  // namespace ft
