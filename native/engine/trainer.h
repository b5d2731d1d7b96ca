// An adapter in training on a base: what a step is, over a backend. One caller at a time.
#pragma once
#include <memory>
#include <vector>

#include "backend.h"

namespace ft {

struct StepOptions {
  float learning_rate = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0, max_grad_norm = 0, prox_mu = 0;
  uint32_t dropout_seed = 0;
};

struct StepResult {
  double loss = 0, grad_norm = 0;
  int64_t targets = 0, tokens = 0;
};

class Trainer {
 public:
  // Throws BAD_ARGUMENT, BAD_RANK.
  Trainer(std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, float dropout, int threads,
      bool checkpointing);

  int64_t size() const { return backend_->size(); }
  // `size()` entries; null: none. Throws NON_FINITE.
  void write(Slot slot, const float* values);
  void read(Slot slot, float* out) const { backend_->read(slot, out); }
  void set_trainable(const uint8_t* mask) { backend_->set_trainable(mask); }  // null: all

  // Steps that the moments have seen; 0 with moments of 0 starts anew.
  int64_t optimizer_step() const { return optimizer_step_; }
  void set_optimizer(int64_t step, const float* m, const float* v);
  void reset_optimizer();

  // Sum of NLL over targets; nll [b.count] as in Step::forward.
  double evaluate(const Batch& b, bool adapter, bool all, float* nll);
  // Mean loss over the targets of all batches; its gradient into Slot::Gradient.
  double gradient(const std::vector<Batch>& batches, const Dropout& dropout, int64_t* targets);
  StepResult step(const std::vector<Batch>& batches, const StepOptions& o);

  // Sum of raw gradients since the last call into `sum`, and the number of steps in it; the first call starts it.
  int64_t take_gradient_sum(float* sum);
  std::map<std::string, double> take_profile() { return backend_->take_profile(); }
  size_t bytes() const { return backend_->bytes(); }

 private:
  std::shared_ptr<const Base> base_;
  std::unique_ptr<Backend> backend_;
  float dropout_;
  bool summing_ = false;
  int64_t sum_steps_ = 0, optimizer_step_ = 0;
};

}  // namespace ft
