// An adapter in training on a base: values, optimizer state, and the steps over them. One caller at a time.
#pragma once
#include <memory>
#include <vector>

#include "lora.h"
#include "step.h"

namespace ft {

struct StepOptions {
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, weight_decay = 0, max_grad_norm = 0, prox_mu = 0;
  uint32_t dropout_seed = 0;
};

struct StepResult {
  double loss = 0, grad_norm = 0;
  int64_t targets = 0, tokens = 0;
};

class Trainer {
 public:
  Trainer(std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, float dropout, int threads,
      bool checkpointing);

  int64_t size() const { return lora_.size; }
  const std::vector<float>& values() const { return values_; }
  // Each takes `size()` entries; throws NON_FINITE.
  void set_values(const float* v);
  void set_trainable(const uint8_t* mask);  // null: all
  void set_anchor(const float* v);          // null: none
  void set_offset(const float* v);          // null: none
  void reset_optimizer();

  struct Optimizer {
    int64_t step = 0;
    std::vector<float> m, v;
  };
  Optimizer& optimizer() { return optimizer_; }

  // Sum of NLL over targets; nll as in Step::forward.
  double evaluate(const Batch& b, bool adapter, bool all, float* nll);
  // Mean loss over the targets of all batches; its gradient into `out`.
  double gradient(const std::vector<Batch>& batches, const Dropout& dropout, float* out, int64_t* targets);
  StepResult step(const std::vector<Batch>& batches, const StepOptions& o);

  // Sum of raw gradients since the last call, and the number of steps in it.
  int64_t take_gradient_sum(std::vector<float>& sum);
  size_t bytes() const;
  Step& engine() { return step_; }

 private:
  // Brings the grouped copies of A and B up to date with values_.
  void refresh();

  std::shared_ptr<const Base> base_;
  Lora lora_;
  Step step_;
  float dropout_;
  bool stale_ = true;  // the grouped copies are older than values_
  std::vector<float> values_, gradient_, anchor_, offset_, sum_;
  std::vector<uint8_t> mask_;
  int64_t sum_steps_ = 0;
  Optimizer optimizer_;
};

}  // namespace ft
