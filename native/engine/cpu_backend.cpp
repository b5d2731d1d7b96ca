#include <algorithm>
#include <array>

#include "backend.h"
#include "step.h"

namespace ft {

namespace {

constexpr int64_t kChunk = 1 << 16;  // a sum over a vector is made of partial sums of so many entries, on any threads

class CpuBackend : public Backend {
 public:
  CpuBackend(std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, int threads, bool checkpointing)
      : base_(std::move(base)), lora_(*base_, modules), step_(*base_, lora_, threads, checkpointing) {
    slot(Slot::Values).assign(size(), 0.0f);
  }
  int64_t size() const override { return lora_.size; }

  void write(Slot s, const float* values) override {
    if (values) slot(s).assign(values, values + size());
    else slot(s).clear();
    stale_ |= s == Slot::Values;
  }
  void read(Slot s, float* out) const override {
    if (has(s)) std::copy(slot(s).begin(), slot(s).end(), out);
    else std::fill(out, out + size(), 0.0f);
  }
  bool has(Slot s) const override { return !slot(s).empty(); }
  void set_trainable(const uint8_t* mask) override {
    if (mask) mask_.assign(mask, mask + size());
    else mask_.clear();
  }

  double forward(const Batch& b, bool adapter, bool all, float* nll) override {
    if (adapter) refresh();
    return step_.forward(b, adapter, all, nll);
  }
  double backward(const Batch& b, float weight, const Dropout& dropout) override {
    refresh();
    return step_.backward(b, weight, dropout, filled(Slot::Gradient));
  }
  void add_up() override {
    const float* g = filled(Slot::Gradient);
    float* sum = filled(Slot::Sum);
    for (int64_t i = 0; i < size(); i++) sum[i] += g[i];
  }

  double pull(float prox_mu) override {
    float* g = filled(Slot::Gradient);
    const float* values = slot(Slot::Values).data();
    const float* anchor = prox_mu != 0 ? slot(Slot::Anchor).data() : nullptr;
    const float* offset = has(Slot::Offset) ? slot(Slot::Offset).data() : nullptr;
    const uint8_t* mask = mask_.empty() ? nullptr : mask_.data();
    partial_.assign(chunks(), 0.0);
    in_chunks([&](int c, int64_t from, int64_t to) {
      double sum = 0;
      for (int64_t i = from; i < to; i++) {
        if (mask && !mask[i]) continue;
        if (offset) g[i] += offset[i];
        if (anchor) g[i] += prox_mu * (values[i] - anchor[i]);
        sum += static_cast<double>(g[i]) * g[i];
      }
      partial_[c] = sum;
    });
    double square = 0;
    for (double x : partial_) square += x;
    return square;
  }
  void adamw(const AdamW& o) override {
    float *values = filled(Slot::Values), *g = filled(Slot::Gradient), *m = filled(Slot::M), *v = filled(Slot::V);
    const uint8_t* mask = mask_.empty() ? nullptr : mask_.data();
    in_chunks([&](int, int64_t at, int64_t end) {
      base_->kernels->adamw(o, values + at, g + at, mask ? mask + at : nullptr, m + at, v + at, end - at);
    });
    stale_ = true;
  }

  std::map<std::string, double> take_profile() override {
    std::map<std::string, double> out;
    std::swap(out, step_.runner().profile());
    return out;
  }
  size_t bytes() const override {
    size_t n = step_.bytes() + mask_.size();
    for (const auto& g : lora_.groups) n += g.a.size() + g.b.size();
    for (const auto& s : slots_) n += sizeof(float) * s.size();
    return n;
  }

 private:
  std::vector<float>& slot(Slot s) { return slots_[static_cast<size_t>(s)]; }
  const std::vector<float>& slot(Slot s) const { return slots_[static_cast<size_t>(s)]; }
  // The vector, zeros at first.
  float* filled(Slot s) {
    slot(s).resize(size(), 0.0f);
    return slot(s).data();
  }

  int chunks() const { return static_cast<int>((size() + kChunk - 1) / kChunk); }
  template <class Fn>
  void in_chunks(const Fn& fn) {
    step_.runner().tasks(chunks(), [&](int c, int) { fn(c, c * kChunk, std::min(size(), (c + 1) * kChunk)); });
  }

  // Brings the grouped copies of A and B up to date with the values.
  void refresh() {
    if (!stale_) return;
    const float* values = slot(Slot::Values).data();
    step_.runner().tasks(
        static_cast<int>(lora_.groups.size()), [&](int i, int) { lora_.groups[i].refresh(*base_->kernels, values); });
    stale_ = false;
  }

  std::shared_ptr<const Base> base_;
  Lora lora_;
  Step step_;
  bool stale_ = true;  // the grouped copies are older than the values
  std::array<std::vector<float>, static_cast<size_t>(Slot::Count)> slots_;
  std::vector<uint8_t> mask_;
  std::vector<double> partial_;
};

}  // namespace

std::unique_ptr<Backend> cpu_backend(
    std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, int threads, bool checkpointing) {
  return std::make_unique<CpuBackend>(std::move(base), modules, threads, checkpointing);
}

}  // namespace ft
