// One forward and backward pass over packed sequences on the CPU. Buffers are planned for the largest batch seen; what
// pass of that size or less allocates nothing but, where they grow, its lists of sequences and of targets.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "batch.h"
#include "linear.h"
#include "plan.h"
#include "rope.h"
#include "runner.h"

namespace ft {

class Step {
 public:
  // `lora` is read in every pass; both outlive the step.
  Step(const Base& base, const Lora& lora, int threads, bool checkpointing);

  // Sum of the NLL over targets (float64). nll [count], if given, receives that of each target token, or of every
  // predicted token with `all`.
  double forward(const Batch& b, bool adapter, bool all, float* nll);
  // Loss sum as above; adds the gradient of (sum of NLL) * weight to `gradient` (flat, as the adapter).
  double backward(const Batch& b, float weight, const Dropout& dropout, float* gradient);

  Runner& runner() { return run_; }
  size_t bytes() const { return plan_.bytes + run_.bytes(); }

 private:
  struct LayerLinears {
    Linear qkv, o, gate_up, down;
  };

  void start(const Batch& b);
  void layer_forward(const Pass& pass, int l, Saved& s);
  void layer_backward(const Pass& pass, int l, Saved& s);
  Attention attention(int l, const Saved& s) const;
  void turn(int l, const View& qk, float sign);
  void qk_norm(int l, Saved& s);
  void qk_norm_backward(int l, const Saved& s);
  void take_in(const std::vector<float>& w, const Normed& s);
  void put_out(const Pass& pass, const Linear& linear, const View& x, const Tensor& h, const std::vector<float>& w,
      const Normed& s);
  void put_out_backward(const std::vector<float>& w, const Normed& s);
  void take_in_again(const std::vector<float>& w, const Normed& s);
  void take_in_backward(const std::vector<float>& w, const Normed& s);
  double head(const Batch& b, bool all, float* nll, bool train, float weight);
  void head_backward(int n, float weight);

  const Base& base_;
  const Lora& lora_;
  Runner run_;
  Plan plan_;
  bool checkpointing_;
  std::vector<LayerLinears> linears_;
  std::vector<RopeAngles> angles_;  // of each RoPE table
};

}  // namespace ft
