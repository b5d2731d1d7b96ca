// A frozen linear layer with its adapter: y = x W^T + bias + (dropout(x) A^T) (s B)^T.
#pragma once
#include "batch.h"
#include "lora.h"
#include "plan.h"
#include "runner.h"

namespace ft {

// What the layers of one pass share.
struct Pass {
  Runner& run;
  Plan& plan;
  bool adapter = true;  // forward with the adapter, not the bare base
  Dropout drop;
  float* gradient = nullptr;  // of the adapter, flat as its values
};

class Linear {
 public:
  // `index`: of the group among all. `fine`: see Gemm.
  Linear(const char* name, const char* back_name, const Weight& w, const Lora& lora, int index, bool fine)
      : name_(name),
        back_name_(back_name),
        w_(w),
        g_(lora.groups[index]),
        index_(index),
        fine_(fine),
        below(index > lora.lowest) {}

  // y = ..., or y += ... (f32 only); x A^T is kept in h.
  void forward(const Pass& p, const View& x, const Tensor& h, const View& y, bool add = false) const;
  // dx = gradient of x, where something below wants it.
  void backward(const Pass& p, const View& dy, const View& dx) const;
  // Adds the adapter's gradient. After backward, with the same dy and with x and h as forward had them: x may have been
  // made again in between.
  void adapt(const Pass& p, const View& dy, const View& x, const Tensor& h) const;

 private:
  View rank_columns(const Tensor& t) const;
  View dropped(const Pass& p, const View& x) const;
  void add_dropped(const Pass& p, const View& u, const View& dx) const;
  void add_gradient(const Pass& p) const;

  const char *name_, *back_name_;
  const Weight& w_;
  const LoraGroup& g_;
  int index_;
  bool fine_;

 public:
  const bool below;  // something further down is adapted
};

}  // namespace ft
