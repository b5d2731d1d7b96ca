// A linear layer with its adapter, forward and backward, with dropout before the adapter.
#include "step.h"

#include <algorithm>

#include "plan.h"
#include "transpose.h"

namespace ft {

// out [cols][ldo] = x [rows][ld] transposed, Act
void Step::transpose_act(const void* x, int count, int cols, int64_t ld, void* out, int64_t ldo) {
  rows("lora", (count + 7) / 8,
      [&](int b0, int b1) { transpose_rows(base_->act(), x, ld, cols, out, ldo, b0 * 8, std::min(count, b1 * 8)); });
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
  DropMask(const Dropout& d, int layer, int kind)
      : key((static_cast<uint64_t>(d.seed) << 32) ^ (static_cast<uint64_t>(layer * kGroupKinds + kind + 1) << 48)),
        below(static_cast<uint32_t>(d.rate * 4294967295.0)),
        keep(1.0f / (1.0f - d.rate)) {}
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

void Step::linear(const char* name, const Mat& x, int k, const Weight& w, LoraGroup* g, void* h, Dtype type, void* y,
    int64_t ldy, bool accumulate, int l, int kind, const Dropout& drop) {
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
void Step::input_gradient(const char* name, const Mat& dy, const Weight& w, LoraGroup& g, Dtype type, void* dx,
    int64_t lddx, int l, int kind, const Dropout& drop) {
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
void Step::adapter_gradient(
    const Mat& dy, const Mat& x, LoraGroup& g, const void* h, int l, int kind, const Dropout& drop, float* gradient) {
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
void Step::drop_backward(
    const Mat& u, const LoraGroup& g, int k, Dtype type, void* dx, int64_t lddx, const Dropout& drop, int l, int kind) {
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
        for (int r = 0; r < m.rank; r++)
          b[static_cast<int64_t>(o) * m.rank + r] += m.scale * from[static_cast<int64_t>(r) * g.n + o];
      // A along with it, cut at the same fractions
      const int64_t size = static_cast<int64_t>(m.rank) * m.in;
      float* a = gradient + m.offset_a;
      const float* row = da + static_cast<int64_t>(m.group_col) * m.in;
      for (int64_t i = size * o0 / m.out, e = size * o1 / m.out; i < e; i++) a[i] += row[i];
    });
  }
}

}  // namespace ft
