#include "plan.h"

#include <algorithm>

namespace ft {

bool PlanShape::covers(const PlanShape& o) const {
  if (tokens < o.tokens || rank < o.rank || train < o.train || checkpointing != o.checkpointing || dropout < o.dropout)
    return false;
  for (size_t i = 0; i < o.ranks.size(); i++)
    if (i >= ranks.size() || ranks[i] < o.ranks[i]) return false;
  return true;
}

void PlanShape::grow(const PlanShape& o) {
  tokens = std::max(tokens, o.tokens);
  rank = std::max(rank, o.rank);
  train |= o.train;
  dropout |= o.dropout;
  checkpointing = o.checkpointing;
  ranks.resize(std::max(ranks.size(), o.ranks.size()), 0);
  for (size_t i = 0; i < o.ranks.size(); i++) ranks[i] = std::max(ranks[i], o.ranks[i]);
}

Buffer Plan::make(size_t rows, size_t cols, size_t size) {
  Buffer b(rows * cols * size);
  bytes += b.size();
  return b;
}

void Plan::saved(const Base& base, Saved& s, const PlanShape& shape, int layer, bool keep) {
  const auto& d = base.desc;
  const size_t c = cap;
  s.qkv = make(c, ld_qkv, width);
  s.att = make(c, ld_q, width);
  s.gu = make(c, ld_gu, width);
  s.lse = make(d.heads, c, 4);
  s.rstd1 = make(c, 1, 4);
  s.rstd2 = make(c, 1, 4);
  if (keep) {
    s.xin = make(c, ld_d, width);
    s.xmid = make(c, ld_d, width);
  }
  for (int g = 0; g < 4; g++) {
    int ld = 0;
    for (int l = 0; l < d.layers; l++)
      if (layer < 0 || l == layer) ld = std::max(ld, shape.ranks[static_cast<size_t>(l) * 4 + g]);
    s.h[g] = make(c, ld, width);
  }
  if (d.architecture == "qwen3") {
    s.qk_pre = make(c, static_cast<size_t>(d.heads + d.kv_heads) * d.head_dim, 4);
    s.qk_rstd = make(d.heads + d.kv_heads, c, 4);
  }
}

void Plan::fit(const Base& base, const PlanShape& want) {
  if (shape_.covers(want)) return;
  PlanShape shape = shape_;
  shape.grow(want);
  const auto& d = base.desc;
  *this = Plan();  // give back first, then take
  width = base.int8 ? sizeof(bf16_t) : sizeof(float);
  cap = round_up(shape.tokens, kRowPad);
  const size_t c = cap;
  ld_d = round_up(d.hidden, kColPad);
  ld_q = round_up(d.heads * d.head_dim, kColPad);
  ld_qkv = round_up((d.heads + 2 * d.kv_heads) * d.head_dim, kColPad);
  ld_f = round_up(d.ffn, kColPad);
  ld_gu = round_up(2 * d.ffn, kColPad);
  ld_t = cap;
  x = make(c, d.hidden, 4);
  cosv = make(c, d.rope_dim / 2, 4);
  sinv = make(c, d.rope_dim / 2, 4);
  xn = make(c, ld_d, width);
  act = make(c, ld_f, width);
  const bool per_layer = shape.train && !shape.checkpointing;
  saved(base, one, shape, -1, shape.train && shape.checkpointing);
  if (per_layer) {
    layers.resize(d.layers);
    for (int l = 0; l < d.layers; l++) saved(base, layers[l], shape, l, true);
  }
  if (shape.train) {
    const int wide = std::max({2 * d.ffn, (d.heads + 2 * d.kv_heads) * d.head_dim, d.hidden});
    const size_t rank = round_up(shape.rank, kRowPad);
    dx = make(c, d.hidden, 4);
    dxn = make(c, d.hidden, 4);
    dxa = make(c, ld_d, width);
    dact = make(c, ld_f, width);
    datt = make(c, ld_q, width);
    dqkv = make(c, ld_qkv, width);
    u = make(c, rank, width);
    ut = make(rank, ld_t, width);
    ht = make(rank, ld_t, width);
    da = make(rank, wide, 4);
    dbt = make(rank, wide, 4);
    if (d.architecture == "qwen3") {
      qk_dy = make(c, static_cast<size_t>(d.heads + d.kv_heads) * d.head_dim, 4);
      qk_dx = make(c, static_cast<size_t>(d.heads + d.kv_heads) * d.head_dim, 4);
    }
    if (shape.checkpointing)
      for (int l = 0; l < d.layers; l++) checkpoints.push_back(make(c, d.hidden, 4));
    if (shape.dropout) {
      ld_drop = round_up(std::max({d.hidden, d.heads * d.head_dim, d.ffn}), kColPad);
      xd = make(c, ld_drop, width);
      drop32 = make(c, ld_drop, 4);
    }
  }
  shape_ = shape;
}

void Plan::fit_head(const Base& base, int rows, bool train) {
  if (rows <= head_rows && train <= head_train) return;
  const auto& d = base.desc;
  head_rows = std::max(rows, head_rows);
  head_train |= train;
  const size_t c = round_up(head_rows, kRowPad);
  xg = make(c, d.hidden, 4);
  xf = make(c, ld_d, width);
  rstd = make(c, 1, 4);
  target = make(c, 1, 4);
  mx = make(c, 1, 4);
  sum = make(c, 1, 4);
  tl = make(c, 1, 4);
  rescale = make(c, 1, 4);
  logits = make(c, kVocabTile, 4);
  if (head_train) {
    prob = make(c, kVocabTile, width);
    acc = make(c, d.hidden, 4);
  }
}

}  // namespace ft
