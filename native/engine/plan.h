// The buffers of a pass. T: tokens of the batch, H: hidden, Q and K: columns of q and of k (or v), F: ffn, R: rank
// columns of a group of adapters, N: positions that are predicted. "Act" is f32 with precision f32 and bf16 with int8;
// Act buffers have rows padded to kRowPad and columns to kColPad, which kernels may read.
#pragma once
#include <vector>

#include "lora.h"
#include "memory.h"
#include "model.h"
#include "runner.h"

namespace ft {

constexpr int kVocabTile = 1024;  // logits of so many vocabulary entries exist at a time

// A buffer and how its values lie in it.
struct Tensor {
  Buffer memory;
  View view;
  operator const View&() const { return view; }
  template <class T>
  T* as() const {
    return memory.as<T>();
  }
};

// What a norm keeps for the way back.
struct Normed {
  Tensor in;    // [T][H] Act  its input
  Tensor rstd;  // [T] f32     1 / root mean square of those rows
};

// What forward keeps of a layer for the way back. Written by forward; "over": by whom else.
struct Saved {
  Normed attn, ffn;            // of the residual stream as the two parts of the layer take it in
  Normed post_attn, post_ffn;  // of what they put out; only with post norms
  Tensor qkv;                  // [T][Q+2K] Act  q, k (after norm and RoPE) and v
  Tensor qk, qk_rstd;     // [T][Q+K] f32, [heads+kv_heads][T] f32  q and k before their norm; only where they have one
  Tensor lse;             // [heads][T] f32  log-sum-exp of the scores
  Tensor att;             // [T][Q] Act  what attention put out
  Tensor gate_up;         // [T][2F] Act  over: glu back, with its gradient
  Tensor h[kGroupKinds];  // [T][R] Act  x A^T of each group
};

struct Plan {
  Plan(const Base& base, const Lora& lora, bool checkpointing)
      : base_(&base), lora_(&lora), checkpointing_(checkpointing) {}
  // Make room; what is large enough stays.
  void fit(int tokens, bool train, bool dropout);
  void fit_head(int rows);

  // of the batch at hand
  int t = 0, longest = 0;  // tokens in all and of the longest sequence
  std::vector<Sequence> sequences;
  std::vector<int> positions;  // of the tokens whose NLL is taken
  size_t bytes = 0;            // in all buffers

  // forward; the way back uses x, xn and act again
  Tensor x;                      // [T][H] f32  residual stream: embedding, then every block adds to it
  std::vector<Tensor> cos, sin;  // [T][dim / 2] f32 of each RoPE table, by the row's position in its sequence
  Tensor xn;                     // [T][H] Act  what a norm put out -> qkv, gate_up (and their adapters' gradients)
  Tensor act;                    // [T][F] Act  what the gated activation put out -> down (and its adapter's gradient)
  Tensor part;  // [T][H] f32  what a part put out, normed in place -> x; and its gradient on the way back; only with
                // post norms
  Saved one;    // of the layer at hand, where layers are not kept
  std::vector<Saved> layers;       // of each layer, in training without checkpointing
  std::vector<Tensor> checkpoint;  // [T][H] f32 of each layer: x as it came in, in training with checkpointing

  // backward
  Tensor dx;           // [T][H] f32  gradient of x: head back, then every norm back adds to it
  Tensor dxa;          // [T][H] Act  copy of dx -> o back, down back
  Tensor dact;         // [T][F] Act  down back -> glu back
  Tensor datt;         // [T][Q] Act  o back -> attention back
  Tensor dqkv;         // [T][Q+2K] Act  attention back, turned and normed back in place -> qkv back
  Tensor dxn;          // [T][H] f32  qkv back, gate_up back -> norm back
  Tensor dqk, dqk_in;  // [T][Q+K] f32  gradient of q and k after and before their norm

  // adapters on the way back, one group after the other (linear.cpp)
  Tensor u;        // [T][R] Act  dy (s B)
  Tensor ut, ht;   // [R][T] Act  u and h transposed
  Tensor da, dbt;  // [R][k], [R][n] f32  gradients of A and of s B^T
  Tensor xd;       // [T][k] Act  dropout(x); only with dropout
  Tensor du;       // [T][k] f32  u A, before dropout's mask; only with dropout

  // head; `logits` to `acc` only grow with N
  Tensor xg;                      // [N][H] f32  rows of x that predict
  Tensor xf, xf_rstd;             // [N][H] Act, [N] f32  their norm
  Tensor target;                  // [N] int32
  Tensor max, sum, target_logit;  // [N] f32  running maximum, sum of exp(l - max), and the target's logit
  Tensor rescale;                 // [N] f32  what earlier sums are multiplied by when the maximum rises
  Tensor logits, prob;            // [N][kVocabTile] f32, Act  of one tile; prob: exp(l - max)
  Tensor acc;                     // [N][H] f32  sum of exp(l - max) W, then the gradient of xf

 private:
  Tensor f32(int64_t rows, int64_t cols);
  Tensor act_rows(int64_t rows, int64_t cols);
  void save(Saved& s, int layer, bool keep);

  const Base* base_;
  const Lora* lora_;
  bool checkpointing_;
  int tokens_ = 0, head_rows_ = 0;  // room
  size_t head_bytes_ = 0;
  bool train_ = false, dropout_ = false;
};

}  // namespace ft
