// The table of kernels that one instruction set offers. A step of the engine calls nothing else, so a set is complete
// or it is not offered. Matrices are row-major. "Act" buffers hold activations: f32 in precision f32, bf16 in precision
// int8.
//
// Every kernel works on a range of its output and sums each output element in one fixed order, so that results do not
// depend on how the ranges are spread over threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ft {

enum class Dtype : uint8_t { F32, BF16, Q8, Q4 };

using bf16_t = uint16_t;

// Bytes of a value; not of Q4.
constexpr size_t size_of(Dtype type) { return type == Dtype::F32 ? 4 : type == Dtype::BF16 ? 2 : 1; }
constexpr size_t bytes_of(Dtype type, int64_t values) {
  return type == Dtype::Q4 ? static_cast<size_t>(values) / 2 : size_of(type) * static_cast<size_t>(values);
}

constexpr int kGroup = 32;   // Q8, Q4: weights that share a scale, along a row
constexpr int kRowPad = 32;  // Act buffers have rows to spare up to a multiple of this
constexpr int kColPad = 32;  // and columns (zero) up to a multiple of this

inline int round_up(int x, int to) { return (x + to - 1) / to * to; }

// A matrix in memory: rows of `ld` values, of which the first `cols` count. An output is written through it; `data` of
// an input is only read. Q8 (weights only): int8 values, ld a multiple of 32 (padding 0), value = q * scale[row][col /
// 32]; `scale` is [rows][ld / 32].
// Q4 is a form to store weights in (q4.inc.h), with 4 bytes a group at `scale`; products take it unpacked to Q8.
struct View {
  Dtype type = Dtype::F32;
  int cols = 0;
  int64_t ld = 0;
  void* data = nullptr;
  float* scale = nullptr;

  // From row `t` on. Inline wherever used: a copy that a set compiled could be linked for all.
  __attribute__((always_inline)) View from(int64_t t) const {
    return {type, cols, ld, static_cast<uint8_t*>(data) + bytes_of(type, t * ld),
        scale ? scale + t * (ld / kGroup) : nullptr};
  }
  // Columns c .. c + n; not of Q8.
  View columns(int c, int n) const { return {type, n, ld, static_cast<uint8_t*>(data) + size_of(type) * c, nullptr}; }
};

// One term of a sum of products: A [m, k] times B, stored as [n, k] (trans) or as [k, n]; k is a.cols.
// A is F32 or BF16; where BF16, columns k .. round_up(k, 32) are readable and finite, and so are rows up to round_up(m,
// 32). A is F32 with precision f32 only (then B is F32 too); else A is BF16 and B is BF16 or Q8.
struct Segment {
  View a;
  View b;
  bool trans = true;
};

// C [m, n] = sum of the segments, or C += with `accumulate` (F32 only). C is F32 or BF16.
struct Gemm {
  int m = 0, n = 0;
  Segment seg[2];
  int segments = 1;
  View c;
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

// What a gated feed-forward part does with its gate.
enum class Activation : uint8_t { Silu, GeluTanh };

// Causal attention; query head h uses kv head h / (heads / kv_heads). All views are Act.
struct Attention {
  int heads, kv_heads, head_dim;
  float softcap;  // scores s become softcap * tanh(s / softcap); 0: they stay
  int window;     // a token sees itself and the window - 1 before it; 0: all before it
  float scale;    // of the scores q k
  View q, k, v;   // [T][heads * head_dim], [T][kv_heads * head_dim] twice; q and k after RoPE
  View out;       // [T][heads * head_dim]; forward writes, backward reads
  float* lse;     // [heads][ld_lse]: log-sum-exp of each row; forward writes, backward reads
  int64_t ld_lse;
  View dout;        // as out; backward reads
  View dq, dk, dv;  // as q, k, v, but dk and dv may be F32; backward writes
};

// How one layer turns its heads. cos, sin f32 [T][dim / 2], of each row of the batch.
struct Rope {
  int head_dim, dim;  // the first `dim` dimensions of a head are turned
  bool interleaved;   // pairs (2 i, 2 i + 1), or else (i, i + dim / 2)
  const float *cos, *sin;
};

// One step of AdamW (torch.optim.AdamW) with the gradient times grad_scale; bias1, bias2: 1 - beta^step.
struct AdamW {
  float grad_scale, learning_rate, beta1, beta2, eps, weight_decay, bias1, bias2;
};

struct KernelSet {
  const char* name;

  // -- linear algebra: first all rows are packed, in ranges, then C is computed in ranges --
  GemmCut (*gemm_cut)(const Gemm&);
  size_t (*gemm_packed)(const Gemm&);                               // bytes that packed rows of A take, 0 for none
  void (*gemm_pack)(const Gemm&, int m0, int m1, uint8_t* packed);  // rows m0 .. m1
  size_t (*gemm_scratch)(const Gemm&);                              // bytes a thread needs
  // Computes C[m0:m1, n0:n1].
  void (*gemm)(const Gemm&, const uint8_t* packed, int m0, int m1, int n0, int n1, Scratch&);

  // -- attention of one sequence (rows t0 .. t0 + len) and one kv head with its query heads --
  size_t (*attention_scratch)(const Attention&, int max_len);
  void (*attention_fwd)(const Attention&, int t0, int len, int kv_head, Scratch&);
  void (*attention_bwd)(const Attention&, int t0, int len, int kv_head, Scratch&);

  // -- row-wise, rows t0 .. t1 ----------------------------------------------------------------------------------------
  // y = x * rstd * w; x f32, y Act. Writes rstd[t].
  void (*rmsnorm_fwd)(const View& x, const float* w, float eps, const View& y, float* rstd, int t0, int t1);
  // dx += d(rmsnorm)/dx; x is Act or f32, dy and dx f32.
  void (*rmsnorm_bwd)(const View& dy, const View& x, const float* w, const float* rstd, const View& dx, int t0, int t1);
  // y = x * rstd * w again, from the Act copy of x; y Act.
  void (*rmsnorm_again)(const View& x, const float* w, const float* rstd, const View& y, int t0, int t1);
  // RoPE in place on all heads of x (Act); sign -1 turns back.
  void (*rope)(const View& x, const Rope& rope, float sign, int t0, int t1);
  // out [T][f] = activation(gate) * up; gate_up [T][2 f], gate first; both Act.
  void (*glu_fwd)(Activation a, const View& gate_up, const View& out, int t0, int t1);
  // dgate_up from dout and gate_up, over which it may write; what forward put out again into out. All Act.
  void (*glu_bwd)(
      Activation a, const View& gate_up, const View& dout, const View& dgate_up, const View& out, int t0, int t1);
  // y = x, between f32 and Act.
  void (*convert)(const View& x, const View& y, int t0, int t1);
  // x += bias; x Act or f32.
  void (*add_bias)(const View& x, const float* bias, int t0, int t1);

  // -- loss: online softmax over a tile of logits, rows t0 .. t1 ------------------------------------------------------
  // logits f32 [rows][n] of vocabulary entries v0 .. v0 + n; with a softcap they are replaced by softcap * tanh(l /
  // softcap). Updates max[t] and sum[t] (of exp(l - max)), notes the logit of target[t] where it falls into the tile;
  // with p given (p.data not null) writes exp(l - max), times the softcap's slope at l, there, Act, with columns up to
  // round_up(n, 32) zero, and rescale[t], by which what was summed before has to be multiplied.
  void (*softmax_tile)(const View& logits, float softcap, int v0, const int32_t* target, float* max, float* sum,
      float* target_logit, const View& p, float* rescale, int t0, int t1);

  // -- optimizer on a range of the flat vector ------------------------------------------------------------------------
  void (*adamw)(const AdamW& o, float* theta, const float* g, const uint8_t* mask, float* m, float* v, int64_t n);

  // -- Q8 and Q4 ------------------------------------------------------------------------------------------------------
  // Quantises `rows` rows of x (f32) into q (Q8 or Q4). `levels`: the values were quantised to few levels before, so
  // the scale is searched that fits them best.
  void (*quantize_rows)(const View& x, int rows, bool levels, const View& q);
  // Rows of x (Q4) as Q8 of the same ld: the same values.
  void (*unpack_rows)(const View& x, const View& y, int t0, int t1);
};

// Null where this build or this processor does not have the set.
const KernelSet* kernels_portable();
const KernelSet* kernels_avx2();
const KernelSet* kernels_avxvnni();
const KernelSet* kernels_vnni();
const KernelSet* kernels_avx512bf16();
const KernelSet* kernels_amx();
const KernelSet* kernels_i8mm();
const KernelSet* kernels_neon();

// By name, `auto` included; null where unknown or not on this processor.
const KernelSet* kernels_by_name(const char* name);

}  // namespace ft
