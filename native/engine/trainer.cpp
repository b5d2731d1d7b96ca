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

constexpr int64_t kChunk =
    1 << 16;  // a sum over the flat vector is made of partial sums of so many entries, whatever the threads

}  // namespace

Trainer::Trainer(std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, float dropout, int threads,
    bool checkpointing)
    : base_(base),
      lora_(*base, modules),
      step_(base, threads, checkpointing),
      dropout_(dropout),
      values_(lora_.size, 0.0f) {}

void Trainer::set_values(const float* v) {
  need_finite(v, size(), "adapter values");
  std::copy(v, v + size(), values_.begin());
  stale_ = true;
}

void Trainer::set_trainable(const uint8_t* mask) {
  if (mask) mask_.assign(mask, mask + size());
  else mask_.clear();
}

void Trainer::set_anchor(const float* v) {
  if (v) need_finite(v, size(), "anchor values");
  if (v) anchor_.assign(v, v + size());
  else anchor_.clear();
}

void Trainer::set_offset(const float* v) {
  if (v) need_finite(v, size(), "gradient offsets");
  if (v) offset_.assign(v, v + size());
  else offset_.clear();
}

void Trainer::reset_optimizer() { optimizer_ = Optimizer(); }

void Trainer::refresh() {
  if (!stale_) return;
  step_.pool().run(static_cast<int>(lora_.groups.size()),
      [&](int i, int) { lora_.groups[i].refresh(*base_->kernels, values_.data()); });
  stale_ = false;
}

double Trainer::evaluate(const Batch& b, bool adapter, bool all, float* nll) {
  step_.check(b);
  if (adapter) refresh();
  double sum = 0;
  for (const auto& part : parts(b))
    sum += step_.forward(part, adapter ? &lora_ : nullptr, all, nll ? nll + (part.tokens - b.tokens) : nullptr);
  if (!std::isfinite(sum))
    throw Error("NON_FINITE", "The loss is not finite: the adapter's values are too large for this base.");
  return sum;
}

double Trainer::gradient(const std::vector<Batch>& batches, const Dropout& dropout, float* out, int64_t* targets) {
  *targets = 0;
  for (const auto& b : batches) {
    step_.check(b);
    *targets += Step::targets(b);
  }
  if (*targets == 0)
    throw Error("NO_TARGETS",
        "Expected at least one target token in the loss mask (beyond the first token of a sequence) but received "
        "none.");
  refresh();
  std::fill(out, out + size(), 0.0f);
  double loss = 0;
  uint32_t micro = 0;
  for (const auto& b : batches)
    for (const auto& part : parts(b)) {
      Dropout drop = dropout;
      drop.seed += 0x9e3779b9u * micro++;
      loss += step_.backward(part, lora_, static_cast<float>(1.0 / static_cast<double>(*targets)), drop, out);
    }
  loss /= static_cast<double>(*targets);
  if (!std::isfinite(loss))
    throw Error("NON_FINITE",
        "The loss is not finite: training diverged. Lower the learning rate or clip gradients (max_grad_norm).");
  return loss;
}

StepResult Trainer::step(const std::vector<Batch>& batches, const StepOptions& o) {
  StepResult r;
  const int64_t n = size();
  gradient_.resize(n);
  float* g = gradient_.data();
  r.loss = gradient(batches, {dropout_, o.dropout_seed}, g, &r.targets);
  for (const auto& b : batches) r.tokens += b.count;
  if (o.prox_mu != 0 && anchor_.empty())
    throw Error("BAD_ARGUMENT", "Expected an anchor (setAnchor) for a proximal pull but there is none.");
  if (!sum_.empty()) {
    for (int64_t i = 0; i < n; i++) sum_[i] += g[i];
    sum_steps_++;
  }
  const uint8_t* mask = mask_.empty() ? nullptr : mask_.data();
  const bool fresh = optimizer_.m.empty();
  if (fresh) {
    optimizer_.m.assign(n, 0.0f);
    optimizer_.v.assign(n, 0.0f);
  }
  const int chunks = static_cast<int>((n + kChunk - 1) / kChunk);
  std::vector<double> partial(chunks);
  step_.pool().run(chunks, [&](int c, int) {
    double sum = 0;
    for (int64_t i = c * kChunk, e = std::min(n, (c + 1) * kChunk); i < e; i++) {
      if (mask && !mask[i]) continue;
      if (!offset_.empty()) g[i] += offset_[i];
      if (o.prox_mu != 0) g[i] += o.prox_mu * (values_[i] - anchor_[i]);
      sum += static_cast<double>(g[i]) * g[i];
    }
    partial[c] = sum;
  });
  double square = 0;
  for (double x : partial) square += x;
  r.grad_norm = std::sqrt(square);
  if (!std::isfinite(r.grad_norm))
    throw Error("NON_FINITE",
        "The gradient is not finite: training diverged. Lower the learning rate or clip gradients (max_grad_norm).");
  // as torch.nn.utils.clip_grad_norm_
  const float clip =
      o.max_grad_norm > 0 ? std::min(1.0f, static_cast<float>(o.max_grad_norm / (r.grad_norm + 1e-6))) : 1.0f;
  optimizer_.step++;
  const float bias1 =
      static_cast<float>(1.0 - std::pow(static_cast<double>(o.beta1), static_cast<double>(optimizer_.step)));
  const float bias2 =
      static_cast<float>(1.0 - std::pow(static_cast<double>(o.beta2), static_cast<double>(optimizer_.step)));
  step_.pool().run(chunks, [&](int c, int) {
    const int64_t i = c * kChunk, len = std::min(kChunk, n - i);
    base_->kernels->adamw(values_.data() + i, g + i, mask ? mask + i : nullptr, optimizer_.m.data() + i,
        optimizer_.v.data() + i, len, clip, o.learning_rate, o.beta1, o.beta2, o.eps, o.weight_decay, bias1, bias2);
  });
  stale_ = true;
  return r;
}

int64_t Trainer::take_gradient_sum(std::vector<float>& sum) {
  sum.assign(size(), 0.0f);
  if (sum_.empty()) sum_.assign(size(), 0.0f);
  std::swap(sum, sum_);
  const int64_t steps = sum_steps_;
  sum_steps_ = 0;
  return steps;
}

size_t Trainer::bytes() const {
  size_t n = step_.bytes();
  for (const auto& g : lora_.groups) n += g.a.size() + g.b.size();
  n += sizeof(float) * (values_.size() + gradient_.size() + anchor_.size() + offset_.size() + sum_.size() +
                           optimizer_.m.size() + optimizer_.v.size());
  return n + mask_.size();
}

}  // namespace ft
