// The buffers of a pass. Rows are tokens, padded to kRowPad; columns of Act buffers are padded to kColPad.
#pragma once
#include <utility>
#include <vector>

#include "memory.h"
#include "model.h"

namespace ft {

constexpr int kVocabTile = 1024;  // logits of so many vocabulary entries exist at a time

// What the backward pass of one layer needs. Act but for the last lines.
struct Saved {
  Buffer xin, xmid;        // [t][hidden] what came into attention and into the feed-forward part
  Buffer qkv, att, gu;     // [t][q + 2 kv] after RoPE; [t][q]; [t][2 ffn]
  Buffer h[4];             // [t][ld_r] x A^T of each group
  Buffer rstd1, rstd2;     // f32 [t]
  Buffer lse;              // f32 [heads][cap]
  Buffer qk_pre, qk_rstd;  // f32 [t][q + kv], [heads + kv_heads][cap]: only where there are q/k norms
};

struct PlanShape {
  int tokens = 0, rank = 0;
  std::vector<int> ranks;  // ld_r of each layer and group
  bool train = false, checkpointing = false, dropout = false;
  bool covers(const PlanShape& o) const;
  void grow(const PlanShape& o);
};

struct Plan {
  // Makes room; keeps what is large enough.
  void fit(const Base& base, const PlanShape& want);
  void fit_head(const Base& base, int rows, bool train);

  size_t bytes = 0;
  size_t width = 4;  // bytes of an Act value
  int t = 0, cap = 0, longest = 0;
  int64_t ld_d = 0, ld_q = 0, ld_qkv = 0, ld_f = 0, ld_gu = 0, ld_t = 0, ld_drop = 0;
  std::vector<std::pair<int, int>> starts;  // first row and length of each sequence
  std::vector<int> positions;               // of the tokens whose NLL is taken

  Buffer x, cosv, sinv, xn, act;                                            // forward
  Buffer dx, dxn, dxa, dact, datt, dqkv, u, ut, ht, da, dbt, qk_dy, qk_dx;  // backward
  Buffer xd, drop32;                                                        // dropout
  std::vector<Buffer> checkpoints;                                          // f32 [t][hidden] a layer
  std::vector<Saved> layers;
  Saved one;  // forward only, or the layer that is being recomputed

  int head_rows = 0;
  bool head_train = false;
  Buffer xg, xf, rstd, target, mx, sum, tl, rescale, logits, prob, acc;

 private:
  Buffer make(size_t rows, size_t cols, size_t size);
  void saved(const Base& base, Saved& s, const PlanShape& shape, int layer, bool keep);
  PlanShape shape_;
};

}  // namespace ft
