// One forward and backward pass over packed sequences. Buffers are planned once for the largest batch seen; a pass of
// that size or less allocates nothing.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lora.h"
#include "model.h"
#include "pool.h"

namespace ft {

struct Batch {
  const int32_t* tokens = nullptr;
  const uint8_t* mask = nullptr;
  const int32_t* lengths = nullptr;
  int count = 0, sequences = 0;
};

struct Dropout {
  float rate = 0;
  uint32_t seed = 0;
};

struct Plan;
struct Saved;

class Step {
 public:
  Step(std::shared_ptr<const Base> base, int threads, bool checkpointing);
  ~Step();

  // Throws BAD_ARGUMENT, TOKEN_RANGE, CONTEXT_LENGTH.
  void check(const Batch& b) const;
  // Tokens of the batch that count as targets.
  static int targets(const Batch& b);

  // Sum of the NLL over targets (float64). nll [count], if given, receives that of each target token, or of every
  // predicted token with `all`.
  double forward(const Batch& b, Lora* lora, bool all, float* nll);
  // Loss sum as above; adds the gradient of (sum of NLL) * weight to `gradient` (flat, as the adapter).
  double backward(const Batch& b, Lora& lora, float weight, const Dropout& dropout, float* gradient);

  std::map<std::string, double> take_profile();
  size_t bytes() const;
  Pool& pool() { return pool_; }

 private:
  void plan(const Batch& b, bool train, const Lora* lora, bool dropout);
  void start(const Batch& b);
  void layer_forward(int l, Lora* lora, Saved& s, const Dropout& drop);
  void layer_backward(int l, Lora& lora, Saved& s, const Dropout& drop, float* gradient);
  double head(const Batch& b, bool all, float* nll, bool train, float weight);
  void head_backward(int n, float weight);

  void linear(const char* name, const Mat& x, int k, const Weight& w, LoraGroup* g, void* h, Dtype type, void* y,
      int64_t ldy, bool accumulate, int l, int kind, const Dropout& drop);
  void input_gradient(const char* name, const Mat& dy, const Weight& w, LoraGroup& g, Dtype type, void* dx,
      int64_t lddx, int l, int kind, const Dropout& drop);
  void adapter_gradient(
      const Mat& dy, const Mat& x, LoraGroup& g, const void* h, int l, int kind, const Dropout& drop, float* gradient);
  void drop_rows(const Mat& x, int k, const Dropout& drop, int l, int kind);
  void drop_backward(const Mat& u, const LoraGroup& g, int k, Dtype type, void* dx, int64_t lddx, const Dropout& drop,
      int l, int kind);
  void gemm(const char* name, const Gemm& g);
  void rows(const char* name, int count, const std::function<void(int, int)>& fn);
  void add_gradient(const LoraGroup& g, const float* da, const float* dbt, float* gradient);
  void transpose_act(const void* x, int count, int cols, int64_t ld, void* out, int64_t ldo);
  void qk_norm(int l, Saved& s);
  void qk_norm_backward(int l, Saved& s);
  Attention attention(Saved& s);
  void run_attention(const char* name, Saved& s, bool backward);

  std::shared_ptr<const Base> base_;
  const KernelSet& k_;
  Pool pool_;
  bool checkpointing_;
  std::vector<Buffer> scratch_;
  std::map<std::string, double> profile_;

  std::unique_ptr<Plan> p_;
  std::vector<float> cos_, sin_;  // [position][rope_dim / 2]
  int positions_ = 0;
};

}  // namespace ft
