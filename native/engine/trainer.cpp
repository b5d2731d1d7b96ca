#include "trainer.h"

#include <algorithm>
#include <cmath>

namespace ft {

namespace {

void need_finite(const float* v, int64_t n, const char* what) {
  for (int64_t i = 0; i < n; i++)
    if (!std::isfinite(v[i]))
      throw Error("NON_FINITE", std::string("Expected finite ") + what + " but received " + std::to_string(v[i]) +
                                    " at entry " + std::to_string(i) + ".");
}

const char* name_of(Slot slot) {
  switch (slot) {
    case Slot::Values: return "adapter values";
    case Slot::Anchor: return "anchor values";
    case Slot::Offset: return "gradient offsets";
    case Slot::M: return "moments";
    case Slot::V: return "second moments";
    default: return "values";
  }
}

// Tokens that go through the layers at a time, in whole sequences: enough that packing the weights anew for each costs
// little, few enough that what is kept for the way back stays small.
constexpr int kTokensAtOnce = 512;

// The batch cut into runs of sequences, a longer sequence by itself.
std::vector<Batch> parts(const Batch& b) {
  std::vector<Batch> out;
  int at = 0;
  for (int i = 0; i < b.sequences; at += b.lengths[i++]) {
    if (out.empty() || out.back().count + b.lengths[i] > kTokensAtOnce)
      out.push_back({b.tokens + at, b.mask + at, b.lengths + i, 0, 0});
    out.back().count += b.lengths[i];
    out.back().sequences++;
  }
  return out;
}

}  // namespace

Trainer::Trainer(std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, float dropout, int threads,
    bool checkpointing)
    : base_(base), backend_(cpu_backend(std::move(base), modules, threads, checkpointing)), dropout_(dropout) {}

void Trainer::write(Slot slot, const float* values) {
  if (values) need_finite(values, size(), name_of(slot));
  backend_->write(slot, values);
}

void Trainer::set_optimizer(int64_t step, const float* m, const float* v) {
  need_finite(m, size(), name_of(Slot::M));
  need_finite(v, size(), name_of(Slot::V));
  for (int64_t i = 0; i < size(); i++)
    if (v[i] < 0) throw Error("NON_FINITE", "Expected second moments of at least 0.");
  backend_->write(Slot::M, m);
  backend_->write(Slot::V, v);
  optimizer_step_ = step;
}

void Trainer::reset_optimizer() {
  backend_->write(Slot::M, nullptr);
  backend_->write(Slot::V, nullptr);
  optimizer_step_ = 0;
}

double Trainer::evaluate(const Batch& b, bool adapter, bool all, float* nll) {
  check(b, base_->desc);
  double sum = 0;
  for (const auto& part : parts(b)) sum += backend_->forward(part, adapter, all, nll + (part.tokens - b.tokens));
  if (!std::isfinite(sum))
    throw Error("NON_FINITE", "The loss is not finite: the adapter's values are too large for this base.");
  return sum;
}

double Trainer::gradient(const std::vector<Batch>& batches, const Dropout& dropout, int64_t* count) {
  *count = 0;
  for (const auto& b : batches) {
    check(b, base_->desc);
    *count += targets(b);
  }
  if (*count == 0)
    throw Error("NO_TARGETS",
        "Expected at least one target token in the loss mask (beyond the first token of a sequence) but received "
        "none.");
  backend_->write(Slot::Gradient, nullptr);
  double loss = 0;
  uint32_t micro = 0;
  for (const auto& b : batches)
    for (const auto& part : parts(b)) {
      Dropout drop = dropout;
      drop.seed += 0x9e3779b9u * micro++;
      loss += backend_->backward(part, static_cast<float>(1.0 / static_cast<double>(*count)), drop);
    }
  loss /= static_cast<double>(*count);
  if (!std::isfinite(loss))
    throw Error("NON_FINITE",
        "The loss is not finite: training diverged. Lower the learning rate or clip gradients (max_grad_norm).");
  return loss;
}

StepResult Trainer::step(const std::vector<Batch>& batches, const StepOptions& o) {
  if (o.prox_mu != 0 && !backend_->has(Slot::Anchor))
    throw Error("BAD_ARGUMENT", "Expected an anchor (setAnchor) for a proximal pull but there is none.");
  StepResult r;
  r.loss = gradient(batches, {dropout_, o.dropout_seed}, &r.targets);
  for (const auto& b : batches) r.tokens += b.count;
  if (summing_) {
    backend_->add_up();
    sum_steps_++;
  }
  r.grad_norm = std::sqrt(backend_->pull(o.prox_mu));
  if (!std::isfinite(r.grad_norm))
    throw Error("NON_FINITE",
        "The gradient is not finite: training diverged. Lower the learning rate or clip gradients (max_grad_norm).");
  // as torch.nn.utils.clip_grad_norm_
  const float clip =
      o.max_grad_norm > 0 ? std::min(1.0f, static_cast<float>(o.max_grad_norm / (r.grad_norm + 1e-6))) : 1.0f;
  const auto step = static_cast<double>(++optimizer_step_);
  auto bias = [&](float beta) { return static_cast<float>(1.0 - std::pow(static_cast<double>(beta), step)); };
  backend_->adamw({clip, o.learning_rate, o.beta1, o.beta2, o.eps, o.weight_decay, bias(o.beta1), bias(o.beta2)});
  return r;
}

int64_t Trainer::take_gradient_sum(float* sum) {
  backend_->read(Slot::Sum, sum);
  backend_->write(Slot::Sum, nullptr);
  summing_ = true;
  const int64_t steps = sum_steps_;
  sum_steps_ = 0;
  return steps;
}

}  // namespace ft
