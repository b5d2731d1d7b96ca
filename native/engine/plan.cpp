#include "plan.h"

#include <algorithm>

namespace ft {

Tensor Plan::f32(int64_t rows, int64_t cols) {
  Tensor t{Buffer(sizeof(float) * rows * cols), {}};
  t.view = {Dtype::F32, static_cast<int>(cols), cols, t.memory.data()};
  bytes += t.memory.size();
  return t;
}

Tensor Plan::act_rows(int64_t rows, int64_t cols) {
  const Dtype type = base_->act();
  const int64_t ld = round_up(static_cast<int>(cols), kColPad);
  Tensor t{Buffer(size_of(type) * round_up(static_cast<int>(rows), kRowPad) * ld), {}};
  t.view = {type, static_cast<int>(cols), ld, t.memory.data()};
  bytes += t.memory.size();
  return t;
}

// layer -1: room for any. `keep`: with what only the way back reads.
void Plan::save(Saved& s, int layer, bool keep) {
  const auto& d = base_->desc;
  const int64_t t = tokens_;
  s.qkv = act_rows(t, d.q() + 2 * d.kv());
  s.att = act_rows(t, d.q());
  s.gate_up = act_rows(t, 2 * d.ffn);
  s.lse = f32(d.heads, t);
  for (Normed* n : {&s.attn, &s.ffn, &s.post_attn, &s.post_ffn}) {
    if (!d.post_norm && (n == &s.post_attn || n == &s.post_ffn)) continue;
    n->rstd = f32(t, 1);
    if (keep) n->in = act_rows(t, d.hidden);
  }
  for (int kind = 0; kind < kGroupKinds; kind++) {
    int rank = 0;
    for (int l = 0; l < d.layers; l++)
      if (layer < 0 || l == layer) rank = std::max(rank, lora_->at(l, kind).rank);
    s.h[kind] = act_rows(t, rank);
  }
  if (d.qk_norm != QkNorm::None) {
    s.qk = f32(t, d.q() + d.kv());
    s.qk_rstd = f32(d.heads + d.kv_heads, t);
  }
}

void Plan::fit(int tokens, bool train, bool dropout) {
  if (tokens <= tokens_ && train <= train_ && dropout <= dropout_) return;
  const bool with_train = train || train_, with_dropout = dropout || dropout_;
  const int room = std::max(tokens_, round_up(tokens, kRowPad));
  *this = Plan(*base_, *lora_, checkpointing_);  // give back first, then take
  tokens_ = room;
  train_ = with_train;
  dropout_ = with_dropout;
  const auto& d = base_->desc;
  const int64_t t = room;
  x = f32(t, d.hidden);
  for (const auto& r : d.ropes) {
    cos.push_back(f32(t, r.dim / 2));
    sin.push_back(f32(t, r.dim / 2));
  }
  xn = act_rows(t, d.hidden);
  act = act_rows(t, d.ffn);
  if (d.post_norm) part = f32(t, d.hidden);
  save(one, -1, train_ && checkpointing_);
  if (!train_) return;
  if (checkpointing_)
    for (int l = 0; l < d.layers; l++) checkpoint.push_back(f32(t, d.hidden));
  else layers.resize(d.layers);
  for (size_t l = 0; l < layers.size(); l++) save(layers[l], static_cast<int>(l), true);
  dx = f32(t, d.hidden);
  dxa = act_rows(t, d.hidden);
  dact = act_rows(t, d.ffn);
  datt = act_rows(t, d.q());
  dqkv = act_rows(t, d.q() + 2 * d.kv());
  dxn = f32(t, d.hidden);
  if (d.qk_norm != QkNorm::None) {
    dqk = f32(t, d.q() + d.kv());
    dqk_in = f32(t, d.q() + d.kv());
  }
  const int widest = std::max({2 * d.ffn, d.q() + 2 * d.kv(), d.hidden});
  const int rank = round_up(lora_->max_rank, kRowPad);
  u = act_rows(t, rank);
  ut = act_rows(rank, t);
  ht = act_rows(rank, t);
  da = f32(rank, widest);
  dbt = f32(rank, widest);
  if (!dropout_) return;
  const int deepest = std::max({d.hidden, d.q(), d.ffn});
  xd = act_rows(t, deepest);
  du = f32(t, deepest);
}

void Plan::fit_head(int rows) {
  if (rows <= head_rows_) return;
  const auto& d = base_->desc;
  const size_t others = bytes - head_bytes_;
  bytes = others;
  const int64_t n = head_rows_ = round_up(rows, kRowPad);
  xg = f32(n, d.hidden);
  xf = act_rows(n, d.hidden);
  for (Tensor* column : {&xf_rstd, &target, &max, &sum, &target_logit, &rescale}) *column = f32(n, 1);
  logits = f32(n, kVocabTile);
  if (train_) {
    prob = act_rows(n, kVocabTile);
    acc = f32(n, d.hidden);
  }
  head_bytes_ = bytes - others;
}

}  // namespace ft
