// The table of kernels that one instruction set offers. A step of the engine calls nothing else, so a set is complete
// or it is not offered. Matrices are row-major. "Act" buffers hold activations: f32 in precision f32, bf16 in precision
// int8.
//
// Every kernel works on a range of its output and sums each output element in one fixed order, so that results do not
// depend on how the ranges are spread over threads.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ft {

enum class Dtype : uint8_t { F32, BF16, Q8 };

using bf16_t = uint16_t;

constexpr size_t size_of(Dtype type) { return type == Dtype::F32 ? 4 : type == Dtype::BF16 ? 2 : 1; }

constexpr int kGroup = 32;   // Q8: weights that share a scale, along a row
constexpr int kRowPad = 32;  // Act buffers have rows to spare up to a multiple of this
constexpr int kColPad = 32;  // and columns (zero) up to a multiple of this

inline int round_up(int x, int to) { return (x + to - 1) / to * to; }

// A matrix that a GEMM reads. Q8: int8 values [rows][ld], ld a multiple of 32 (padding 0), value = q * scale[row][col /
// 32]; `scale` is [rows][ld / 32].
struct Mat {
  Dtype type = Dtype::F32;
  const void* data = nullptr;
  const float* scale = nullptr;
  int64_t ld = 0;
};

// One term of a sum of products: A [m, k] times B, stored as [n, k] (trans) or as [k, n].
// A is F32 or BF16; where BF16, columns k .. round_up(k, 32) are readable and finite, and so are rows up to round_up(m,
// 32). A is F32 with precision f32 only (then B is F32 too); else A is BF16 and B is BF16 or Q8.
struct Segment {
  Mat a;
  Mat b;
  int k = 0;
  bool trans = true;
};

// C [m, n] = sum of the segments, or C += with `accumulate` (F32 only). C is F32 or BF16.
struct Gemm {
  int m = 0, n = 0;
  Segment seg[2];
  int segments = 1;
  Dtype c_type = Dtype::F32;
  void* c = nullptr;
  int64_t ldc = 0;
  bool accumulate = false;
  bool fine = false;  // a set that rounds activations to 8 bits shall take 16 here
};

// Scratch of one thread; grows outside of steps only.
struct Scratch {
  uint8_t* data = nullptr;  // 64-byte aligned
  size_t size = 0;
};

// How a GEMM may be cut: every n range is a multiple of n_step (but for the end), every m range of m_step.
struct GemmCut {
  int m_step, n_step;
};

// Geometry of attention; heads h uses kv head h / (heads / kv_heads).
struct Attention {
  int heads, kv_heads, head_dim;
  float scale;
  Dtype type;     // of all Act buffers here
  const void* q;  // [T][ld_qkv]: heads * head_dim columns, after RoPE
  const void* k;  // [T][ld_qkv]
  const void* v;  // [T][ld_qkv]
  int64_t ld_qkv;
  void* out;  // [T][ld_out]: heads * head_dim (forward: written; backward: read)
  int64_t ld_out;
  float* lse;  // [heads][ld_lse]: log-sum-exp of each row
  int64_t ld_lse;
  // backward
  const void* dout;    // [T][ld_out] Act
  void *dq, *dk, *dv;  // [T][ld_dqkv] Act, written
  int64_t ld_dqkv;
};

struct KernelSet {
  const char* name;

  // -- linear algebra --
  GemmCut (*gemm_cut)(const Gemm&);
  size_t (*gemm_scratch)(const Gemm&);                                  // bytes a thread needs
  void (*gemm)(const Gemm&, int m0, int m1, int n0, int n1, Scratch&);  // computes C[m0:m1, n0:n1]

  // -- attention of one sequence (rows t0 .. t0 + len) and one kv head with its query heads --
  size_t (*attention_scratch)(const Attention&, int max_len);
  void (*attention_fwd)(const Attention&, int t0, int len, int kv_head, Scratch&);
  void (*attention_bwd)(const Attention&, int t0, int len, int kv_head, Scratch&);

  // -- row-wise, rows t0 .. t1 --
  // y = x * rstd * w; x f32 [T][d]; y Act. Writes rstd[t].
  void (*rmsnorm_fwd)(const float* x, int64_t ldx, const float* w, float eps, int d, Dtype type, void* y, int64_t ldy,
      float* rstd, int t0, int t1);
  // dx += d(rmsnorm)/dx; x is Act, dy f32.
  void (*rmsnorm_bwd)(const float* dy, int64_t lddy, Dtype type, const void* x, int64_t ldx, const float* w,
      const float* rstd, int d, float* dx, int64_t lddx, int t0, int t1);
  // y = x * rstd * w again, from the Act copy of x.
  void (*rmsnorm_again)(Dtype type, const void* x, int64_t ldx, const float* w, const float* rstd, int d, void* y,
      int64_t ldy, int t0, int t1);
  // RoPE in place on `heads` heads of x (Act); sin/cos [T][rope_dim / 2] of this batch; sign -1 turns back.
  void (*rope)(Dtype type, void* x, int64_t ldx, int heads, int head_dim, int rope_dim, bool interleaved,
      const float* cosv, const float* sinv, float sign, int t0, int t1);
  // act = silu(gate) * up; gate_up Act [T][2f] (gate first), act Act [T][f].
  void (*swiglu_fwd)(Dtype type, const void* gate_up, int64_t ld, int f, void* act, int64_t ld_act, int t0, int t1);
  // dgate_up from dact (Act) and gate_up, over which it may write; the activation again into act.
  void (*swiglu_bwd)(Dtype type, const void* gate_up, int64_t ld, int f, const void* dact, int64_t ld_dact,
      void* dgate_up, int64_t ld_d, void* act, int64_t ld_act, int t0, int t1);
  // Conversions between f32 and Act.
  void (*to_act)(const float* x, int64_t ldx, int d, Dtype type, void* y, int64_t ldy, int t0, int t1);
  void (*from_act)(Dtype type, const void* x, int64_t ldx, int d, float* y, int64_t ldy, int t0, int t1);
  // x += bias on d columns (Act).
  void (*add_bias)(Dtype type, void* x, int64_t ldx, const float* bias, int d, int t0, int t1);

  // -- loss: online softmax over a tile of n logits, rows t0 .. t1 --
  // Logits f32 [rows][ld] of vocabulary entries v0 .. v0 + n. Updates max[t] and sum[t] (of exp(l - max)), notes the
  // logit of target[t] where it falls into the tile; with p given writes exp(l - max) as Act [rows][ldp] (columns up to
  // round_up(n, 32) zero) and rescale[t], by which what was summed before has to be multiplied.
  void (*softmax_tile)(const float* logits, int64_t ld, int v0, int n, const int32_t* target, float* max, float* sum,
      float* target_logit, Dtype type, void* p, int64_t ldp, float* rescale, int t0, int t1);

  // -- optimizer on a range of the flat vector --
  void (*adamw)(float* theta, const float* g, const uint8_t* mask, float* m, float* v, int64_t n, float grad_scale,
      float lr, float beta1, float beta2, float eps, float weight_decay, float bias1, float bias2);

  // -- Q8 --
  // Quantises rows of f32 to int8 with one scale per group of 32. `levels`: the values were quantised to few levels
  // before, so the scale is searched that fits them best.
  void (*quantize_rows)(
      const float* x, int64_t ldx, int rows, int cols, bool levels, int8_t* q, int64_t ldq, float* scale);
};

// Null where this build or this processor does not have the set.
const KernelSet* kernels_portable();
const KernelSet* kernels_avx2();
const KernelSet* kernels_avxvnni();
const KernelSet* kernels_vnni();
const KernelSet* kernels_amx();
const KernelSet* kernels_neon();

// By name, `auto` included; null where unknown or not on this processor.
const KernelSet* kernels_by_name(const char* name);

}  // namespace ft
