#include "step.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "plan.h"
#include "transpose.h"

namespace ft {

struct Step::Timer {
  Timer(std::map<std::string, double>& profile, const char* name) : profile_(profile), name_(name), t0_(std::chrono::steady_clock::now()) {}
  ~Timer() { profile_[name_] += std::chrono::duration<double>(std::chrono::steady_clock::now() - t0_).count(); }
  std::map<std::string, double>& profile_;
  const char* name_;
  std::chrono::steady_clock::time_point t0_;
};

Step::Step(std::shared_ptr<const Base> base, int threads, bool checkpointing)
    : base_(std::move(base)), k_(*base_->kernels), pool_(threads), checkpointing_(checkpointing), scratch_(threads), p_(new Plan) {}

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

// ---- batches ------------------------------------------------------------------------------------------------------------

void Step::check(const Batch& b) const {
  const auto& d = base_->desc;
  if (b.count == 0) throw Error("BAD_ARGUMENT", "Expected a batch with tokens but received an empty one.");
  int64_t sum = 0;
  for (int i = 0; i < b.sequences; i++) {
    if (b.lengths[i] < 1) throw Error("BAD_ARGUMENT", "Expected sequence lengths of at least 1 but received " + std::to_string(b.lengths[i]) + ".");
    if (b.lengths[i] > d.context)
      throw Error("CONTEXT_LENGTH", "A sequence of " + std::to_string(b.lengths[i]) + " tokens is longer than the model's context of " + std::to_string(d.context) + ". Lower seq_length.");
    sum += b.lengths[i];
  }
  if (sum != b.count) throw Error("BAD_ARGUMENT", "Sequence lengths sum to " + std::to_string(sum) + " but the batch has " + std::to_string(b.count) + " tokens.");
  for (int i = 0; i < b.count; i++)
    if (b.tokens[i] < 0 || b.tokens[i] >= d.vocab)
      throw Error("TOKEN_RANGE", "Token " + std::to_string(b.tokens[i]) + " at position " + std::to_string(i) + " is outside the vocabulary of " + std::to_string(d.vocab) + ". The text was encoded with another tokenizer.");
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
        const double f = std::pow(d.rope_theta, -2.0 * i / d.rope_dim) / (d.rope_factors.empty() ? 1.0 : d.rope_factors[i]);
        cos_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::cos(t * f));
        sin_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::sin(t * f));
      }
    positions_ = longest;
  }
  for (const auto& s : p.starts) {
    std::memcpy(p.cosv.as<float>() + static_cast<int64_t>(s.first) * half, cos_.data(), sizeof(float) * s.second * half);
    std::memcpy(p.sinv.as<float>() + static_cast<int64_t>(s.first) * half, sin_.data(), sizeof(float) * s.second * half);
  }
  Timer timer(profile_, "embedding");
  for (int t = 0; t < b.count; t++) base_->row(base_->embedding, b.tokens[t], p.x.as<float>() + static_cast<int64_t>(t) * d.hidden);
}

// ---- running kernels ----------------------------------------------------------------------------------------------------

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
    fn(static_cast<int>(static_cast<int64_t>(count) * i / parts), static_cast<int>(static_cast<int64_t>(count) * (i + 1) / parts));
  });
}

// out [cols][ldo] = x [rows][ld] transposed, Act
void Step::transpose_act(const void* x, int count, int cols, int64_t ld, void* out, int64_t ldo) {
  rows("lora", (count + 7) / 8, [&](int b0, int b1) { transpose_rows(base_->act(), x, ld, cols, out, ldo, b0 * 8, std::min(count, b1 * 8)); });
}

namespace {

// splitmix64's finaliser as a counter-based generator: one number a (seed, position).
inline uint32_t hash(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 32);
}

struct DropMask {
  uint64_t key;
  uint32_t below;
  float keep;
  DropMask(const Dropout& d, int layer, int kind) : key((static_cast<uint64_t>(d.seed) << 32) ^ (static_cast<uint64_t>(layer * kGroupKinds + kind + 1) << 48)), below(static_cast<uint32_t>(d.rate * 4294967295.0)), keep(1.0f / (1.0f - d.rate)) {}
  float operator()(int64_t i) const { return hash(key + static_cast<uint64_t>(i)) < below ? 0.0f : keep; }
};

}  // namespace

// p.xd = dropout(x); the modules of a group share one mask.
void Step::drop_rows(const Mat& x, int k, const Dropout& drop, int l, int kind) {
  const DropMask mask(drop, l, kind);
  const Dtype act = base_->act();
  const size_t w = p_->width;
  const int64_t ld = p_->ld_drop;
  rows("dropout", p_->t, [&](int t0, int t1) {
    std::vector<float> row(k);
    for (int t = t0; t < t1; t++) {
      k_.from_act(act, static_cast<const uint8_t*>(x.data) + w * t * x.ld, x.ld, k, row.data(), k, 0, 1);
      for (int i = 0; i < k; i++) row[i] *= mask(static_cast<int64_t>(t) * k + i);
      k_.to_act(row.data(), k, k, act, p_->xd.data() + w * t * ld, ld, 0, 1);
    }
  });
}

void Step::linear(const char* name, const Mat& x, int k, const Weight& w, LoraGroup* g, void* h, Dtype type, void* y, int64_t ldy, bool accumulate, int l, int kind, const Dropout& drop) {
  Gemm main;
  main.m = p_->t;
  main.n = w.n;
  main.seg[0] = {x, w.mat, k, true};
  main.c_type = type;
  main.c = y;
  main.ldc = ldy;
  main.accumulate = accumulate;
  // What is lost around attention spreads over all tokens; on the way back 8 bits lose little (docs/performance.md).
  main.fine = kind == kQkv || kind == kO;
  if (g && !g->empty()) {
    Mat in = x;
    if (drop.rate > 0) {
      drop_rows(x, k, drop, l, kind);
      in = {base_->act(), p_->xd.data(), nullptr, p_->ld_drop};
    }
    Gemm thin;
    thin.m = p_->t;
    thin.n = g->rank;
    thin.seg[0] = {in, g->a_mat(), k, true};
    thin.c_type = base_->act();
    thin.c = h;
    thin.ldc = g->ld_r;
    gemm("lora", thin);
    main.seg[1] = {{base_->act(), h, nullptr, g->ld_r}, g->b_mat(), g->rank, true};
    main.segments = 2;
  }
  gemm(name, main);
}

// p.u = dy B; dx = dy W + u A
void Step::input_gradient(const char* name, const Mat& dy, const Weight& w, LoraGroup& g, Dtype type, void* dx, int64_t lddx, int l, int kind, const Dropout& drop) {
  Plan& p = *p_;
  const Dtype act = base_->act();
  const Mat u{act, p.u.data(), nullptr, g.ld_r};
  if (!g.empty()) {
    Gemm thin;
    thin.m = p.t;
    thin.n = g.rank;
    thin.seg[0] = {dy, g.b_mat(), w.n, false};
    thin.c_type = act;
    thin.c = p.u.data();
    thin.ldc = g.ld_r;
    gemm("lora", thin);
  }
  if (!dx) return;
  Gemm main;
  main.m = p.t;
  main.n = w.k;
  main.seg[0] = {dy, w.mat, w.n, false};
  main.c_type = type;
  main.c = dx;
  main.ldc = lddx;
  const bool dropped = drop.rate > 0;
  if (!g.empty() && !dropped) {
    main.seg[1] = {u, g.a_mat(), g.rank, false};
    main.segments = 2;
  }
  gemm(name, main);
  if (!g.empty() && dropped) drop_backward(u, g, w.k, type, dx, lddx, drop, l, kind);
}

// dA = u^T x; dB = s dy^T h; u is what input_gradient left.
void Step::adapter_gradient(const Mat& dy, const Mat& x, LoraGroup& g, const void* h, int l, int kind, const Dropout& drop, float* gradient) {
  if (g.empty()) return;
  Plan& p = *p_;
  const Dtype act = base_->act();
  Mat in = x;
  if (drop.rate > 0) {
    drop_rows(x, g.k, drop, l, kind);
    in = {act, p.xd.data(), nullptr, p.ld_drop};
  }
  transpose_act(p.u.data(), p.t, g.rank, g.ld_r, p.ut.data(), p.ld_t);
  transpose_act(h, p.t, g.rank, g.ld_r, p.ht.data(), p.ld_t);
  Gemm ga;
  ga.m = g.rank;
  ga.n = g.k;
  ga.seg[0] = {{act, p.ut.data(), nullptr, p.ld_t}, in, p.t, false};
  ga.c = p.da.data();
  ga.ldc = g.k;
  gemm("lora", ga);
  Gemm gb = ga;
  gb.n = g.n;
  gb.seg[0] = {{act, p.ht.data(), nullptr, p.ld_t}, dy, p.t, false};
  gb.c = p.dbt.data();
  gb.ldc = g.n;
  gemm("lora", gb);
  add_gradient(g, p.da.as<float>(), p.dbt.as<float>(), gradient);
}

// dx += mask * (u A): the part of the input gradient that came through dropped inputs.
void Step::drop_backward(const Mat& u, const LoraGroup& g, int k, Dtype type, void* dx, int64_t lddx, const Dropout& drop, int l, int kind) {
  Gemm part;
  part.m = p_->t;
  part.n = k;
  part.seg[0] = {u, g.a_mat(), g.rank, false};
  part.c = p_->drop32.data();
  part.ldc = k;
  gemm("lora", part);
  const DropMask mask(drop, l, kind);
  const size_t w = type == Dtype::F32 ? sizeof(float) : sizeof(bf16_t);
  rows("dropout", p_->t, [&](int t0, int t1) {
    std::vector<float> row(k);
    for (int t = t0; t < t1; t++) {
      uint8_t* to = static_cast<uint8_t*>(dx) + w * t * lddx;
      k_.from_act(type, to, lddx, k, row.data(), k, 0, 1);
      const float* add = p_->drop32.as<float>() + static_cast<int64_t>(t) * k;
      for (int i = 0; i < k; i++) row[i] += add[i] * mask(static_cast<int64_t>(t) * k + i);
      k_.to_act(row.data(), k, k, type, to, lddx, 0, 1);
    }
  });
}

void Step::add_gradient(const LoraGroup& g, const float* da, const float* dbt, float* gradient) {
  for (const auto& m : g.modules) {
    rows("lora", m.out, [&](int o0, int o1) {
      float* b = gradient + m.offset_b;
      const float* from = dbt + static_cast<int64_t>(m.group_col) * g.n + m.group_row;
      for (int o = o0; o < o1; o++)
        for (int r = 0; r < m.rank; r++) b[static_cast<int64_t>(o) * m.rank + r] += m.scale * from[static_cast<int64_t>(r) * g.n + o];
      // A along with it, cut at the same fractions
      const int64_t size = static_cast<int64_t>(m.rank) * m.in;
      float* a = gradient + m.offset_a;
      const float* row = da + static_cast<int64_t>(m.group_col) * m.in;
      for (int64_t i = size * o0 / m.out, e = size * o1 / m.out; i < e; i++) a[i] += row[i];
    });
  }
}

// ---- one layer ----------------------------------------------------------------------------------------------------------

Attention Step::attention(Saved& s) {
  const auto& d = base_->desc;
  Plan& p = *p_;
  const size_t w = p.width;
  const int q = d.heads * d.head_dim, kv = d.kv_heads * d.head_dim;
  Attention a{};
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(d.head_dim));
  a.type = base_->act();
  a.q = s.qkv.data();
  a.k = s.qkv.data() + w * q;
  a.v = s.qkv.data() + w * (q + kv);
  a.ld_qkv = p.ld_qkv;
  a.out = s.att.data();
  a.ld_out = p.ld_q;
  a.lse = s.lse.as<float>();
  a.ld_lse = p.cap;
  a.dout = p.datt.data();
  a.dq = p.dqkv.data();
  a.dk = p.dqkv.data() + w * q;
  a.dv = p.dqkv.data() + w * (q + kv);
  a.ld_dqkv = p.ld_qkv;
  return a;
}

void Step::run_attention(const char* name, Saved& s, bool backward) {
  Timer timer(profile_, name);
  const Attention a = attention(s);
  const size_t need = k_.attention_scratch(a, p_->longest);
  for (auto& buffer : scratch_)
    if (buffer.size() < need) buffer = Buffer(need);
  const auto& starts = p_->starts;
  pool_.run(static_cast<int>(starts.size()) * a.kv_heads, [&](int i, int thread) {
    Scratch scratch{scratch_[thread].data(), scratch_[thread].size()};
    const auto& sequence = starts[i / a.kv_heads];
    (backward ? k_.attention_bwd : k_.attention_fwd)(a, sequence.first, sequence.second, i % a.kv_heads, scratch);
  });
}

// qwen3: an RMS norm over each head of q and k, before RoPE.
void Step::qk_norm(int l, Saved& s) {
  const auto& d = base_->desc;
  const Layer& y = base_->layers[l];
  Plan& p = *p_;
  const int heads = d.heads + d.kv_heads, width = heads * d.head_dim;
  rows("norm", p.t, [&](int t0, int t1) {
    float* pre = s.qk_pre.as<float>();
    k_.from_act(base_->act(), s.qkv.data(), p.ld_qkv, width, pre, width, t0, t1);
    for (int h = 0; h < heads; h++)
      k_.rmsnorm_fwd(pre + h * d.head_dim, width, (h < d.heads ? y.q_norm : y.k_norm).data(), d.norm_eps, d.head_dim, base_->act(), s.qkv.data() + p.width * h * d.head_dim, p.ld_qkv, s.qk_rstd.as<float>() + static_cast<int64_t>(h) * p.cap, t0, t1);
  });
}

void Step::qk_norm_backward(int l, Saved& s) {
  const auto& d = base_->desc;
  const Layer& y = base_->layers[l];
  Plan& p = *p_;
  const int heads = d.heads + d.kv_heads, width = heads * d.head_dim;
  rows("norm", p.t, [&](int t0, int t1) {
    float *dy = p.qk_dy.as<float>(), *dx = p.qk_dx.as<float>();
    k_.from_act(base_->act(), p.dqkv.data(), p.ld_qkv, width, dy, width, t0, t1);
    std::memset(dx + static_cast<int64_t>(t0) * width, 0, sizeof(float) * (t1 - t0) * width);
    for (int h = 0; h < heads; h++)
      k_.rmsnorm_bwd(dy + h * d.head_dim, width, Dtype::F32, s.qk_pre.as<float>() + h * d.head_dim, width, (h < d.heads ? y.q_norm : y.k_norm).data(), s.qk_rstd.as<float>() + static_cast<int64_t>(h) * p.cap, d.head_dim, dx + h * d.head_dim, width, t0, t1);
    k_.to_act(dx, width, width, base_->act(), p.dqkv.data(), p.ld_qkv, t0, t1);
  });
}

void Step::layer_forward(int l, Lora* lora, Saved& s, const Dropout& drop) {
  const auto& d = base_->desc;
  const Layer& y = base_->layers[l];
  Plan& p = *p_;
  const Dtype act = base_->act();
  const int nqkv = (d.heads + 2 * d.kv_heads) * d.head_dim, nq = d.heads * d.head_dim;
  float* x = p.x.as<float>();
  auto group = [&](int kind) { return lora ? &lora->at(l, kind) : nullptr; };
  auto norm = [&](const std::vector<float>& w, Buffer& copy, Buffer& rstd) {
    rows("norm", p.t, [&](int t0, int t1) {
      k_.rmsnorm_fwd(x, d.hidden, w.data(), d.norm_eps, d.hidden, act, p.xn.data(), p.ld_d, rstd.as<float>(), t0, t1);
      if (copy.size()) k_.to_act(x, d.hidden, d.hidden, act, copy.data(), p.ld_d, t0, t1);
    });
  };
  norm(y.attn_norm, s.xin, s.rstd1);
  linear("qkv", {act, p.xn.data(), nullptr, p.ld_d}, d.hidden, y.qkv, group(kQkv), s.h[kQkv].data(), act, s.qkv.data(), p.ld_qkv, false, l, kQkv, drop);
  if (!y.qkv_bias.empty())
    rows("bias", p.t, [&](int t0, int t1) { k_.add_bias(act, s.qkv.data(), p.ld_qkv, y.qkv_bias.data(), nqkv, t0, t1); });
  if (!y.q_norm.empty()) qk_norm(l, s);
  rows("rope", p.t, [&](int t0, int t1) {
    k_.rope(act, s.qkv.data(), p.ld_qkv, d.heads + d.kv_heads, d.head_dim, d.rope_dim, d.rope_interleaved, p.cosv.as<float>(), p.sinv.as<float>(), 1.0f, t0, t1);
  });
  run_attention("attention", s, false);
  linear("o", {act, s.att.data(), nullptr, p.ld_q}, nq, y.o, group(kO), s.h[kO].data(), Dtype::F32, x, d.hidden, true, l, kO, drop);
  norm(y.ffn_norm, s.xmid, s.rstd2);
  linear("gate_up", {act, p.xn.data(), nullptr, p.ld_d}, d.hidden, y.gate_up, group(kGateUp), s.h[kGateUp].data(), act, s.gu.data(), p.ld_gu, false, l, kGateUp, drop);
  rows("swiglu", p.t, [&](int t0, int t1) { k_.swiglu_fwd(act, s.gu.data(), p.ld_gu, d.ffn, p.act.data(), p.ld_f, t0, t1); });
  linear("down", {act, p.act.data(), nullptr, p.ld_f}, d.ffn, y.down, group(kDown), s.h[kDown].data(), Dtype::F32, x, d.hidden, true, l, kDown, drop);
}

// p.dx holds the gradient of what the layer put out, and then that of what it took in.
void Step::layer_backward(int l, Lora& lora, Saved& s, const Dropout& drop, float* gradient) {
  const auto& d = base_->desc;
  const Layer& y = base_->layers[l];
  Plan& p = *p_;
  const Dtype act = base_->act();
  // The lowest adapted group of the lowest adapted layer ends the way down.
  int first = 0;
  while (l == lora.lowest_layer && lora.at(l, first).empty()) first++;
  const bool last_layer = l == lora.lowest_layer;
  float* dx = p.dx.as<float>();
  const Mat dxa{act, p.dxa.data(), nullptr, p.ld_d}, xn{act, p.xn.data(), nullptr, p.ld_d};
  auto copy_dx = [&] { rows("norm", p.t, [&](int t0, int t1) { k_.to_act(dx, d.hidden, d.hidden, act, p.dxa.data(), p.ld_d, t0, t1); }); };
  auto norm_again = [&](const Buffer& x, const Buffer& rstd, const std::vector<float>& w) {
    rows("norm", p.t, [&](int t0, int t1) { k_.rmsnorm_again(act, x.data(), p.ld_d, w.data(), rstd.as<float>(), d.hidden, p.xn.data(), p.ld_d, t0, t1); });
  };
  auto norm_backward = [&](const Buffer& x, const Buffer& rstd, const std::vector<float>& w) {
    rows("norm", p.t, [&](int t0, int t1) { k_.rmsnorm_bwd(p.dxn.as<float>(), d.hidden, act, x.data(), p.ld_d, w.data(), rstd.as<float>(), d.hidden, dx, d.hidden, t0, t1); });
  };

  auto linear_backward = [&](const char* name, int kind, const Weight& w, const Mat& dy, const Mat& x, Dtype type, void* to, int64_t ld) {
    input_gradient(name, dy, w, lora.at(l, kind), type, last_layer && first == kind ? nullptr : to, ld, l, kind, drop);
    adapter_gradient(dy, x, lora.at(l, kind), s.h[kind].data(), l, kind, drop, gradient);
    return !(last_layer && first == kind);
  };

  copy_dx();
  const Mat dgu{act, s.gu.data(), nullptr, p.ld_gu};
  // The activation is made again on the way back through SwiGLU, so the adapter of `down` waits for it.
  const bool down_last = last_layer && first == kDown;
  input_gradient("down back", dxa, y.down, lora.at(l, kDown), act, p.dact.data(), p.ld_f, l, kDown, drop);
  rows("swiglu", p.t, [&](int t0, int t1) { k_.swiglu_bwd(act, s.gu.data(), p.ld_gu, d.ffn, p.dact.data(), p.ld_f, s.gu.data(), p.ld_gu, p.act.data(), p.ld_f, t0, t1); });
  adapter_gradient(dxa, {act, p.act.data(), nullptr, p.ld_f}, lora.at(l, kDown), s.h[kDown].data(), l, kDown, drop, gradient);
  if (down_last) return;
  norm_again(s.xmid, s.rstd2, y.ffn_norm);
  if (!linear_backward("gate_up back", kGateUp, y.gate_up, dgu, xn, Dtype::F32, p.dxn.data(), d.hidden)) return;
  norm_backward(s.xmid, s.rstd2, y.ffn_norm);

  copy_dx();
  if (!linear_backward("o back", kO, y.o, dxa, {act, s.att.data(), nullptr, p.ld_q}, act, p.datt.data(), p.ld_q)) return;
  run_attention("attention back", s, true);
  rows("rope", p.t, [&](int t0, int t1) {
    k_.rope(act, p.dqkv.data(), p.ld_qkv, d.heads + d.kv_heads, d.head_dim, d.rope_dim, d.rope_interleaved, p.cosv.as<float>(), p.sinv.as<float>(), -1.0f, t0, t1);
  });
  if (!y.q_norm.empty()) qk_norm_backward(l, s);
  norm_again(s.xin, s.rstd1, y.attn_norm);
  // below the lowest adapted layer nothing wants a gradient
  const Mat dqkv{act, p.dqkv.data(), nullptr, p.ld_qkv};
  input_gradient("qkv back", dqkv, y.qkv, lora.at(l, kQkv), Dtype::F32, last_layer ? nullptr : p.dxn.data(), d.hidden, l, kQkv, drop);
  adapter_gradient(dqkv, xn, lora.at(l, kQkv), s.h[kQkv].data(), l, kQkv, drop, gradient);
  if (!last_layer) norm_backward(s.xin, s.rstd1, y.attn_norm);
}

// ---- the head -----------------------------------------------------------------------------------------------------------

// Cross-entropy over the vocabulary in tiles, one pass: like attention whose keys and values are both the output matrix.
// With m the running maximum, acc = sum exp(l - m) W_v, so that d(nll)/dx = acc / sum - W_target.
double Step::head(const Batch& b, bool all, float* nll, bool train, float weight) {
  const auto& d = base_->desc;
  Plan& p = *p_;
  const Dtype act = base_->act();
  std::vector<int>& pos = p.positions;
  pos.clear();
  for (const auto& s : p.starts)
    for (int t = 1; t < s.second; t++)
      if (all || b.mask[s.first + t]) pos.push_back(s.first + t);
  const int n = static_cast<int>(pos.size());
  if (n == 0) return 0;
  p.fit_head(*base_, n, train);
  float* xg = p.xg.as<float>();
  auto* target = p.target.as<int32_t>();
  float *mx = p.mx.as<float>(), *sum = p.sum.as<float>(), *tl = p.tl.as<float>(), *acc = p.acc.as<float>();
  for (int i = 0; i < n; i++) {
    std::memcpy(xg + static_cast<int64_t>(i) * d.hidden, p.x.as<float>() + static_cast<int64_t>(pos[i] - 1) * d.hidden, sizeof(float) * d.hidden);
    target[i] = b.tokens[pos[i]];
    mx[i] = -INFINITY;
    sum[i] = tl[i] = 0;
  }
  if (train) std::memset(acc, 0, sizeof(float) * static_cast<size_t>(n) * d.hidden);
  rows("norm", n, [&](int t0, int t1) { k_.rmsnorm_fwd(xg, d.hidden, base_->final_norm.data(), d.norm_eps, d.hidden, act, p.xf.data(), p.ld_d, p.rstd.as<float>(), t0, t1); });
  const Weight& w = base_->output();
  for (int v0 = 0; v0 < d.vocab; v0 += kVocabTile) {
    const int nv = std::min(kVocabTile, d.vocab - v0);
    Mat tile = w.mat;
    tile.data = static_cast<const uint8_t*>(tile.data) + size_of(tile.type) * v0 * tile.ld;
    if (tile.scale) tile.scale += static_cast<int64_t>(v0) * (tile.ld / kGroup);
    Gemm logits;
    logits.m = n;
    logits.n = nv;
    logits.seg[0] = {{act, p.xf.data(), nullptr, p.ld_d}, tile, d.hidden, true};
    logits.c = p.logits.data();
    logits.ldc = kVocabTile;
    gemm("head", logits);
    rows("softmax", n, [&](int t0, int t1) {
      k_.softmax_tile(p.logits.as<float>(), kVocabTile, v0, nv, target, mx, sum, tl, act, train ? p.prob.data() : nullptr, kVocabTile, p.rescale.as<float>(), t0, t1);
      if (!train) return;
      for (int t = t0; t < t1; t++) {
        const float r = p.rescale.as<float>()[t];
        if (r == 1.0f || v0 == 0) continue;
        float* a = acc + static_cast<int64_t>(t) * d.hidden;
        for (int i = 0; i < d.hidden; i++) a[i] *= r;
      }
    });
    if (!train) continue;
    Gemm back;
    back.m = n;
    back.n = d.hidden;
    back.seg[0] = {{act, p.prob.data(), nullptr, kVocabTile}, tile, nv, false};
    back.c = acc;
    back.ldc = d.hidden;
    back.accumulate = true;
    gemm("head back", back);
  }
  double total = 0;
  for (int i = 0; i < n; i++) {
    const double x = static_cast<double>(mx[i]) + std::log(static_cast<double>(sum[i])) - tl[i];
    total += b.mask[pos[i]] ? x : 0.0;
    if (nll) nll[pos[i]] = static_cast<float>(x);
  }
  if (train) head_backward(n, weight);
  return total;
}

void Step::head_backward(int n, float weight) {
  const auto& d = base_->desc;
  Plan& p = *p_;
  float *acc = p.acc.as<float>(), *dx = p.dx.as<float>();
  std::memset(dx, 0, sizeof(float) * static_cast<size_t>(p.t) * d.hidden);
  rows("head back", n, [&](int t0, int t1) {
    std::vector<float> row(d.hidden);
    for (int t = t0; t < t1; t++) {
      float* a = acc + static_cast<int64_t>(t) * d.hidden;
      const float inv = 1.0f / p.sum.as<float>()[t];
      base_->row(base_->output(), p.target.as<int32_t>()[t], row.data());
      for (int i = 0; i < d.hidden; i++) a[i] = (a[i] * inv - row[i]) * weight;
      // each row has its own target position: straight into the residual's gradient
      k_.rmsnorm_bwd(a, d.hidden, Dtype::F32, p.xg.as<float>() + static_cast<int64_t>(t) * d.hidden, d.hidden, base_->final_norm.data(), p.rstd.as<float>() + t, d.hidden, dx + static_cast<int64_t>(p.positions[t] - 1) * d.hidden, d.hidden, 0, 1);
    }
  });
}

// ---- passes -------------------------------------------------------------------------------------------------------------

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
