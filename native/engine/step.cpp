#include "step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan.h"
#include "timer.h"

namespace ft {

Step::Step(std::shared_ptr<const Base> base, int threads, bool checkpointing)
    : base_(std::move(base)),
      k_(*base_->kernels),
      pool_(threads),
      checkpointing_(checkpointing),
      scratch_(threads),
      p_(new Plan) {}

Step::~Step() = default;

std::map<std::string, double> Step::take_profile() {
  std::map<std::string, double> out;
  std::swap(out, profile_);
  return out;
}

size_t Step::bytes() const {
  size_t n = p_->bytes;
  for (const auto& s : scratch_) n += s.size();
  return n;
}

// ---- batches ---------------------------------------------------------------

void Step::check(const Batch& b) const {
  const auto& d = base_->desc;
  if (b.count == 0) throw Error("BAD_ARGUMENT", "Expected a batch with tokens but received an empty one.");
  int64_t sum = 0;
  for (int i = 0; i < b.sequences; i++) {
    if (b.lengths[i] < 1)
      throw Error(
          "BAD_ARGUMENT", "Expected sequence lengths of at least 1 but received " + std::to_string(b.lengths[i]) + ".");
    if (b.lengths[i] > d.context)
      throw Error("CONTEXT_LENGTH", "A sequence of " + std::to_string(b.lengths[i]) +
                                        " tokens is longer than the model's context of " + std::to_string(d.context) +
                                        ". Lower seq_length.");
    sum += b.lengths[i];
  }
  if (sum != b.count)
    throw Error("BAD_ARGUMENT", "Sequence lengths sum to " + std::to_string(sum) + " but the batch has " +
                                    std::to_string(b.count) + " tokens.");
  for (int i = 0; i < b.count; i++)
    if (b.tokens[i] < 0 || b.tokens[i] >= d.vocab)
      throw Error("TOKEN_RANGE", "Token " + std::to_string(b.tokens[i]) + " at position " + std::to_string(i) +
                                     " is outside the vocabulary of " + std::to_string(d.vocab) +
                                     ". The text was encoded with another tokenizer.");
}

int Step::targets(const Batch& b) {
  int n = 0, at = 0;
  for (int i = 0; i < b.sequences; at += b.lengths[i++])
    for (int t = 1; t < b.lengths[i]; t++) n += b.mask[at + t] != 0;
  return n;
}

void Step::plan(const Batch& b, bool train, const Lora* lora, bool dropout) {
  PlanShape want;
  want.tokens = b.count;
  want.train = train;
  want.rank = lora ? lora->max_rank : 0;
  want.ranks.assign(base_->desc.layers * kGroupKinds, 0);
  if (lora)
    for (size_t i = 0; i < lora->groups.size(); i++) want.ranks[i] = lora->groups[i].ld_r;
  want.checkpointing = checkpointing_;
  want.dropout = dropout;
  p_->fit(*base_, want);
}

void Step::start(const Batch& b) {
  const auto& d = base_->desc;
  Plan& p = *p_;
  p.t = b.count;
  p.starts.clear();
  int longest = 0, at = 0;
  for (int i = 0; i < b.sequences; at += b.lengths[i++]) {
    p.starts.push_back({at, b.lengths[i]});
    longest = std::max(longest, b.lengths[i]);
  }
  p.longest = longest;
  const int half = d.rope_dim / 2;
  if (longest > positions_) {
    cos_.resize(static_cast<size_t>(longest) * half);
    sin_.resize(cos_.size());
    for (int t = positions_; t < longest; t++)
      for (int i = 0; i < half; i++) {
        const double f =
            std::pow(d.rope_theta, -2.0 * i / d.rope_dim) / (d.rope_factors.empty() ? 1.0 : d.rope_factors[i]);
        cos_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::cos(t * f));
        sin_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::sin(t * f));
      }
    positions_ = longest;
  }
  for (const auto& s : p.starts) {
    std::memcpy(
        p.cosv.as<float>() + static_cast<int64_t>(s.first) * half, cos_.data(), sizeof(float) * s.second * half);
    std::memcpy(
        p.sinv.as<float>() + static_cast<int64_t>(s.first) * half, sin_.data(), sizeof(float) * s.second * half);
  }
  Timer timer(profile_, "embedding");
  for (int t = 0; t < b.count; t++)
    base_->row(base_->embedding, b.tokens[t], p.x.as<float>() + static_cast<int64_t>(t) * d.hidden);
}

// ---- running kernels ---------------------------------------------------------------

void Step::gemm(const char* name, const Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  Timer timer(profile_, name);
  const GemmCut cut = k_.gemm_cut(g);
  const size_t need = k_.gemm_scratch(g);
  for (auto& s : scratch_)
    if (s.size() < need) s = Buffer(need);
  const int threads = pool_.threads();
  const int nb = (g.n + cut.n_step - 1) / cut.n_step, mb = (g.m + cut.m_step - 1) / cut.m_step;
  // Cut along n, where every part packs its own columns of B and reads all of A: a part a thread, or A would come from
  // memory again and again. A thin product is cut along m.
  const bool by_n = nb >= 2 * threads || nb >= mb;
  const int blocks = by_n ? nb : mb, step = by_n ? cut.n_step : cut.m_step;
  const int parts = std::min(blocks, threads);
  pool_.run(parts, [&](int i, int thread) {
    Scratch s{scratch_[thread].data(), scratch_[thread].size()};
    const int lo = static_cast<int>(static_cast<int64_t>(blocks) * i / parts) * step;
    const int hi = std::min(by_n ? g.n : g.m, static_cast<int>(static_cast<int64_t>(blocks) * (i + 1) / parts) * step);
    if (lo >= hi) return;
    if (by_n) k_.gemm(g, 0, g.m, lo, hi, s);
    else k_.gemm(g, lo, hi, 0, g.n, s);
  });
}

// fn(t0, t1) over the rows 0 .. count
void Step::rows(const char* name, int count, const std::function<void(int, int)>& fn) {
  Timer timer(profile_, name);
  const int threads = pool_.threads();
  if (threads == 1) return fn(0, count);
  const int parts = std::max(1, std::min(4 * threads, count / 16));
  pool_.run(parts, [&](int i, int) {
    fn(static_cast<int>(static_cast<int64_t>(count) * i / parts),
        static_cast<int>(static_cast<int64_t>(count) * (i + 1) / parts));
  });
}

// ---- passes ---------------------------------------------------------------

double Step::forward(const Batch& b, Lora* lora, bool all, float* nll) {
  plan(b, false, lora, false);
  start(b);
  for (int l = 0; l < base_->desc.layers; l++) layer_forward(l, lora, p_->one, {});
  return head(b, all, nll, false, 0);
}

double Step::backward(const Batch& b, Lora& lora, float weight, const Dropout& drop, float* gradient) {
  plan(b, true, &lora, drop.rate > 0);
  start(b);
  const auto& d = base_->desc;
  Plan& p = *p_;
  const size_t row_bytes = sizeof(float) * static_cast<size_t>(b.count) * d.hidden;
  for (int l = 0; l < d.layers; l++) {
    if (checkpointing_) std::memcpy(p.checkpoints[l].data(), p.x.data(), row_bytes);
    layer_forward(l, &lora, checkpointing_ ? p.one : p.layers[l], drop);
  }
  const double loss = head(b, false, nullptr, true, weight);
  if (p.positions.empty()) return 0;
  for (int l = d.layers - 1; l >= lora.lowest_layer; l--) {
    if (checkpointing_) {
      std::memcpy(p.x.data(), p.checkpoints[l].data(), row_bytes);
      layer_forward(l, &lora, p.one, drop);
    }
    layer_backward(l, lora, checkpointing_ ? p.one : p.layers[l], drop, gradient);
  }
  return loss;
}

}  // namespace ft
