// An adapter as the products read it: modules grouped by the stacked weight that they adapt.
#pragma once
#include <string>
#include <vector>

#include "memory.h"
#include "model.h"

namespace ft {

// One adapted linear layer inside the flat vector: A [rank, in] at offset_a, B [out, rank] at offset_b.
struct LoraModule {
  std::string name;
  int rank = 0;
  float scale = 0;
  int64_t offset_a = 0, offset_b = 0;
  int in = 0, out = 0;
  int group_col = 0;  // first of its rank columns in the group
  int group_row = 0;  // first of its output rows in the group
};

enum GroupKind { kQkv, kO, kGateUp, kDown, kGroupKinds };

// The modules that share an input. `a` is [rank][k] (rows of the modules one after the other); `b` is [n][rank], block
// diagonal, times the scale: y += (x a^T) b^T for all of them at once.
struct LoraGroup {
  std::vector<LoraModule> modules;
  int rank = 0, n = 0, k = 0;
  Dtype type = Dtype::F32;
  Buffer a, b;
  bool empty() const { return rank == 0; }
  View a_view() const { return {type, k, k, a.data()}; }
  View b_view() const { return {type, rank, rank, b.data()}; }
  // Copies A and s B of every module from the flat values.
  void refresh(const KernelSet& kernels, const float* values);
};

struct ModuleSpec {
  std::string module;
  int rank = 0;
  float scale = 0;
};

// All groups of an adapter: [layer][kind]. Throws BAD_ARGUMENT, BAD_RANK.
struct Lora {
  Lora(const Base& base, const std::vector<ModuleSpec>& specs);
  std::vector<LoraGroup> groups;  // layer * kGroupKinds + kind
  int64_t size = 0;
  int lowest = 0;    // index of the first group that has modules
  int max_rank = 0;  // of a group
  const LoraGroup& at(int layer, int kind) const { return groups[static_cast<size_t>(layer) * kGroupKinds + kind]; }
};

}  // namespace ft
