// Where training computes: the seam between what a step means (trainer.h) and how a device does it. A backend holds one
// adapter and all that has its size, in its own memory; CPU threads are the one there is.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "batch.h"
#include "lora.h"

namespace ft {

// Vectors of the adapter's size: its values, what pulls at them, the gradient at hand, a sum of gradients, and AdamW's
// moments.
enum class Slot { Values, Anchor, Offset, Gradient, Sum, M, V, Count };

class Backend {
 public:
  virtual ~Backend() = default;
  virtual int64_t size() const = 0;

  // Copies in (null: gone) and out (zeros where there is none).
  virtual void write(Slot slot, const float* values) = 0;
  virtual void read(Slot slot, float* out) const = 0;
  virtual bool has(Slot slot) const = 0;
  virtual void set_trainable(const uint8_t* mask) = 0;  // null: all

  // Sum of NLL over targets of at most some hundred tokens or one sequence; nll as Step::forward.
  virtual double forward(const Batch& b, bool adapter, bool all, float* nll) = 0;
  // The same, and Gradient += weight * its gradient.
  virtual double backward(const Batch& b, float weight, const Dropout& dropout) = 0;
  // Sum += Gradient
  virtual void add_up() = 0;
  // Gradient += Offset + prox_mu * (Values - Anchor) where trainable; the sum of its squares there, in float64.
  virtual double pull(float prox_mu) = 0;
  // One step of AdamW on the trainable Values; M and V start at 0.
  virtual void adamw(const AdamW& o) = 0;

  virtual std::map<std::string, double> take_profile() = 0;  // seconds by kernel since the last call
  virtual size_t bytes() const = 0;
};

// Throws BAD_ARGUMENT, BAD_RANK.
std::unique_ptr<Backend> cpu_backend(
    std::shared_ptr<const Base> base, const std::vector<ModuleSpec>& modules, int threads, bool checkpointing);

}  // namespace ft
