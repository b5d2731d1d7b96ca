#include "lora.h"

#include <algorithm>

namespace ft {

namespace {

// A module that can be adapted: its name behind "blk.N.", its group, and which of the group's rows are its output.
struct Target {
  const char* name;
  GroupKind kind;
  int first_row, rows;
};

std::vector<Target> targets(const Description& d) {
  const int q = d.q(), kv = d.kv(), f = d.ffn;
  std::vector<Target> all{{"attn_output", kO, 0, d.hidden}, {"ffn_down", kDown, 0, d.hidden}};
  if (d.fused_qkv) all.push_back({"attn_qkv", kQkv, 0, q + 2 * kv});
  else all.insert(all.end(), {{"attn_q", kQkv, 0, q}, {"attn_k", kQkv, q, kv}, {"attn_v", kQkv, q + kv, kv}});
  if (d.fused_gate_up) all.push_back({"ffn_gate_up", kGateUp, 0, 2 * f});
  else all.insert(all.end(), {{"ffn_gate", kGateUp, 0, f}, {"ffn_up", kGateUp, f, f}});
  return all;
}

// "blk.12.attn_q" -> the layer, and "attn_q"; -1 where it is no such name.
int parse(const std::string& module, std::string& target) {
  const size_t dot = module.find('.', 4);
  if (module.rfind("blk.", 0) != 0 || dot == std::string::npos || dot == 4 || dot > 9) return -1;
  int layer = 0;
  for (size_t i = 4; i < dot; i++) {
    if (module[i] < '0' || module[i] > '9') return -1;
    layer = layer * 10 + (module[i] - '0');
  }
  target = module.substr(dot + 1);
  return layer;
}

}  // namespace

void LoraGroup::refresh(const KernelSet& kernels, const float* values) {
  for (const auto& m : modules) {
    const View from_a{Dtype::F32, m.in, m.in, const_cast<float*>(values) + m.offset_a};
    kernels.convert(from_a, a_view().from(m.group_col), 0, m.rank);
    constexpr int kRows = 64;
    std::vector<float> scaled(static_cast<size_t>(kRows) * m.rank);
    const View from_b{Dtype::F32, m.rank, m.rank, scaled.data()};
    for (int o = 0; o < m.out; o += kRows) {
      const int rows = std::min(kRows, m.out - o);
      const float* b = values + m.offset_b + static_cast<int64_t>(o) * m.rank;
      for (int i = 0; i < rows * m.rank; i++) scaled[i] = b[i] * m.scale;
      kernels.convert(from_b, b_view().from(m.group_row + o).columns(m.group_col, m.rank), 0, rows);
    }
  }
}

Lora::Lora(const Base& base, const std::vector<ModuleSpec>& specs) {
  const auto& d = base.desc;
  const auto known = targets(d);
  groups.resize(static_cast<size_t>(d.layers) * kGroupKinds);
  for (size_t i = 0; i < groups.size(); i++) {
    const Layer& y = base.layers[i / kGroupKinds];
    const Weight* const weights[kGroupKinds] = {&y.qkv, &y.o, &y.gate_up, &y.down};
    groups[i].type = base.act();
    groups[i].n = weights[i % kGroupKinds]->n;
    groups[i].k = weights[i % kGroupKinds]->k;
  }
  lowest = static_cast<int>(groups.size());
  for (const auto& s : specs) {
    std::string name;
    const int layer = parse(s.module, name);
    const auto target = std::find_if(known.begin(), known.end(), [&](const Target& t) { return name == t.name; });
    if (layer < 0 || layer >= d.layers || target == known.end())
      throw Error("BAD_ARGUMENT", "Expected a module such as blk.0.attn_q (layers 0 to " +
                                      std::to_string(d.layers - 1) + ") but received \"" + s.module + "\".");
    if (s.rank < 1 || s.rank > 4096)
      throw Error("BAD_RANK",
          "Expected a rank between 1 and 4096 for " + s.module + " but received " + std::to_string(s.rank) + ".");
    const int index = layer * kGroupKinds + target->kind;
    LoraGroup& g = groups[index];
    for (const auto& other : g.modules)
      if (other.name == s.module) throw Error("BAD_ARGUMENT", "Module " + s.module + " is named twice.");
    const int64_t offset_b = size + static_cast<int64_t>(s.rank) * g.k;
    const bool adds = target->kind == kO || target->kind == kDown;  // to the residual stream, as its weights do
    const float scale = adds ? s.scale * d.residual_scale : s.scale;
    g.modules.push_back({s.module, s.rank, scale, size, offset_b, g.k, target->rows, g.rank, target->first_row});
    size = offset_b + static_cast<int64_t>(target->rows) * s.rank;
    g.rank += s.rank;
    max_rank = std::max(max_rank, g.rank);
    lowest = std::min(lowest, index);
  }
  for (auto& g : groups) {
    if (g.empty()) continue;
    g.a = Buffer(size_of(g.type) * g.rank * static_cast<size_t>(g.k));
    g.b = Buffer(size_of(g.type) * g.n * static_cast<size_t>(g.rank));
  }
}

}  // namespace ft
