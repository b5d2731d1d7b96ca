#include "lora.h"

#include <algorithm>

namespace ft {

namespace {

const char* const kTargets[7] = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
const GroupKind kKind[7] = {kQkv, kQkv, kQkv, kO, kGateUp, kGateUp, kDown};

// "blk.12.attn_q" -> layer and target
bool parse(const std::string& name, int layers, int& layer, int& target) {
  if (name.rfind("blk.", 0) != 0) return false;
  const size_t dot = name.find('.', 4);
  if (dot == std::string::npos || dot == 4 || dot > 9) return false;
  layer = 0;
  for (size_t i = 4; i < dot; i++) {
    if (name[i] < '0' || name[i] > '9') return false;
    layer = layer * 10 + (name[i] - '0');
  }
  for (target = 0; target < 7; target++)
    if (name.compare(dot + 1, std::string::npos, kTargets[target]) == 0) break;
  return target < 7 && layer < layers;
}

}  // namespace

void LoraGroup::refresh(const KernelSet& kernels, const float* values) {
  const size_t w = type == Dtype::F32 ? sizeof(float) : sizeof(bf16_t);
  for (const auto& m : modules) {
    kernels.to_act(values + m.offset_a, m.in, m.in, type, a.data() + w * m.group_col * k, k, 0, m.rank);
    constexpr int kRows = 64;
    std::vector<float> scaled(static_cast<size_t>(kRows) * m.rank);
    for (int o = 0; o < m.out; o += kRows) {
      const int rows = std::min(kRows, m.out - o);
      const float* from = values + m.offset_b + static_cast<int64_t>(o) * m.rank;
      for (int i = 0; i < rows * m.rank; i++) scaled[i] = from[i] * m.scale;
      kernels.to_act(scaled.data(), m.rank, m.rank, type,
          b.data() + w * (static_cast<int64_t>(m.group_row + o) * rank + m.group_col), rank, 0, rows);
    }
  }
}

Lora::Lora(const Base& base, const std::vector<ModuleSpec>& specs) {
  const auto& d = base.desc;
  const int q = d.heads * d.head_dim, kv = d.kv_heads * d.head_dim;
  const int in[7] = {d.hidden, d.hidden, d.hidden, q, d.hidden, d.hidden, d.ffn};
  const int out[7] = {q, kv, kv, d.hidden, d.ffn, d.ffn, d.hidden};
  const int row[7] = {0, q, q + kv, 0, 0, d.ffn, 0};
  groups.resize(static_cast<size_t>(d.layers) * kGroupKinds);
  lowest_layer = d.layers;
  for (const auto& s : specs) {
    LoraModule m;
    m.name = s.module;
    if (!parse(s.module, d.layers, m.layer, m.target))
      throw Error("BAD_ARGUMENT", "Expected a module such as blk.0.attn_q (layers 0 to " +
                                      std::to_string(d.layers - 1) + ") but received \"" + s.module + "\".");
    if (s.rank < 1 || s.rank > 4096)
      throw Error("BAD_RANK",
          "Expected a rank between 1 and 4096 for " + s.module + " but received " + std::to_string(s.rank) + ".");
    m.rank = s.rank;
    m.scale = s.scale;
    m.in = in[m.target];
    m.out = out[m.target];
    m.group_row = row[m.target];
    m.offset_a = size;
    m.offset_b = size + static_cast<int64_t>(m.rank) * m.in;
    size = m.offset_b + static_cast<int64_t>(m.out) * m.rank;
    auto& g = at(m.layer, kKind[m.target]);
    for (const auto& other : g.modules)
      if (other.target == m.target) throw Error("BAD_ARGUMENT", "Module " + s.module + " is named twice.");
    m.group_col = g.rank;
    g.rank += m.rank;
    g.modules.push_back(m);
    lowest_layer = std::min(lowest_layer, m.layer);
  }
  const int n[kGroupKinds] = {q + 2 * kv, d.hidden, 2 * d.ffn, d.hidden};
  const int k[kGroupKinds] = {d.hidden, q, d.hidden, d.ffn};
  for (size_t i = 0; i < groups.size(); i++) {
    auto& g = groups[i];
    g.type = base.act();
    g.n = n[i % kGroupKinds];
    g.k = k[i % kGroupKinds];
    if (g.empty()) continue;
    const size_t w = g.type == Dtype::F32 ? sizeof(float) : sizeof(bf16_t);
    g.ld_r = round_up(g.rank, kColPad);
    g.a = Buffer(w * g.rank * static_cast<size_t>(g.k));
    g.b = Buffer(w * g.n * static_cast<size_t>(g.rank));
    max_rank = std::max(max_rank, g.rank);
  }
}

}  // namespace ft
