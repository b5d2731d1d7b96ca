#include "step.h"

#include <algorithm>
#include <cstring>

namespace ft {

Step::Step(const Base& base, const Lora& lora, int threads, bool checkpointing)
    : base_(base),
      lora_(lora),
      run_(*base.kernels, threads),
      plan_(base, lora, checkpointing),
      checkpointing_(checkpointing) {
  for (int l = 0; l < base.desc.layers; l++) {
    const Layer& y = base.layers[l];
    const int at = l * kGroupKinds;
    // What is lost around attention spreads over all tokens; on the way back 8 bits lose little (docs/performance.md).
    linears_.push_back({{"qkv", "qkv back", y.qkv, lora, at + kQkv, true}, {"o", "o back", y.o, lora, at + kO, true},
        {"gate_up", "gate_up back", y.gate_up, lora, at + kGateUp, false},
        {"down", "down back", y.down, lora, at + kDown, false}});
  }
  for (const auto& table : base.desc.ropes) angles_.emplace_back(table);
}

// Lays the batch out: borders, positions, and its embeddings in plan.x.
void Step::start(const Batch& b) {
  Plan& p = plan_;
  p.t = b.count;
  p.longest = 0;
  p.sequences.clear();
  for (int i = 0, at = 0; i < b.sequences; at += b.lengths[i++]) {
    p.sequences.push_back({at, b.lengths[i]});
    p.longest = std::max(p.longest, b.lengths[i]);
  }
  for (size_t i = 0; i < angles_.size(); i++)
    angles_[i].lay_out(p.sequences, p.cos[i].as<float>(), p.sin[i].as<float>());
  Timer timer(run_.profile(), "embedding");
  const int hidden = base_.desc.hidden;
  const float scale = base_.desc.embedding_scale;
  for (int t = 0; t < b.count; t++) {
    float* row = p.x.as<float>() + static_cast<int64_t>(t) * hidden;
    read_row(base_.embedding.view, b.tokens[t], 0, hidden, row);
    for (int i = 0; scale != 1 && i < hidden; i++) row[i] *= scale;
  }
}

double Step::forward(const Batch& b, bool adapter, bool all, float* nll) {
  plan_.fit(b.count, false, false);
  start(b);
  const Pass pass{run_, plan_, adapter, {}, nullptr};
  for (int l = 0; l < base_.desc.layers; l++) layer_forward(pass, l, plan_.one);
  return head(b, all, nll, false, 0);
}

double Step::backward(const Batch& b, float weight, const Dropout& dropout, float* gradient) {
  Plan& p = plan_;
  p.fit(b.count, true, dropout.rate > 0);
  start(b);
  const Pass pass{run_, p, true, dropout, gradient};
  const size_t bytes = sizeof(float) * static_cast<size_t>(b.count) * base_.desc.hidden;
  for (int l = 0; l < base_.desc.layers; l++) {
    if (checkpointing_) std::memcpy(p.checkpoint[l].as<float>(), p.x.as<float>(), bytes);
    layer_forward(pass, l, checkpointing_ ? p.one : p.layers[l]);
  }
  const double loss = head(b, false, nullptr, true, weight);
  if (p.positions.empty()) return 0;
  for (int l = base_.desc.layers - 1; l >= lora_.lowest / kGroupKinds; l--) {
    if (checkpointing_) {
      std::memcpy(p.x.as<float>(), p.checkpoint[l].as<float>(), bytes);
      layer_forward(pass, l, p.one);
    }
    layer_backward(pass, l, checkpointing_ ? p.one : p.layers[l]);
  }
  return loss;
}

}  // namespace ft
