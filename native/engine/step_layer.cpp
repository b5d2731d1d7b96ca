// One layer of the transformer, forward and backward.
#include <cstring>

#include "step.h"

namespace ft {

namespace {

// q, k and v side by side.
struct Heads {
  View q, k, v, qk;
  Heads(const View& all, const Description& d)
      : q(all.columns(0, d.q())),
        k(all.columns(d.q(), d.kv())),
        v(all.columns(d.q() + d.kv(), d.kv())),
        qk(all.columns(0, d.q() + d.kv())) {}
};

}  // namespace

void Step::layer_forward(const Pass& pass, int l, Saved& s) {
  const Layer& y = base_.layers[l];
  const LayerLinears& linear = linears_[l];
  Plan& p = plan_;
  norm(y.attn_norm, s.attn_in, s.attn_rstd);
  linear.qkv.forward(pass, p.xn, s.h[kQkv], s.qkv);
  qk_norm(l, s);
  turn(l, s.qkv, 1.0f);
  run_.attention("attention", attention(s), p.sequences, false);
  linear.o.forward(pass, s.att, s.h[kO], p.x, true);
  norm(y.ffn_norm, s.ffn_in, s.ffn_rstd);
  linear.gate_up.forward(pass, p.xn, s.h[kGateUp], s.gate_up);
  run_.rows("swiglu", p.t, [&](int t0, int t1) { run_.k.swiglu_fwd(s.gate_up, p.act, t0, t1); });
  linear.down.forward(pass, p.act, s.h[kDown], p.x, true);
}

// plan.dx holds the gradient of what the layer put out, and then that of what it took in. Ends where nothing below is
// adapted.
void Step::layer_backward(const Pass& pass, int l, Saved& s) {
  const Layer& y = base_.layers[l];
  const LayerLinears& linear = linears_[l];
  Plan& p = plan_;
  copy_dx();
  linear.down.backward(pass, p.dxa, p.dact);
  run_.rows("swiglu", p.t, [&](int t0, int t1) { run_.k.swiglu_bwd(s.gate_up, p.dact, s.gate_up, p.act, t0, t1); });
  linear.down.adapt(pass, p.dxa, p.act, s.h[kDown]);
  if (!linear.down.below) return;
  linear.gate_up.backward(pass, s.gate_up, p.dxn);
  norm_again(y.ffn_norm, s.ffn_in, s.ffn_rstd);
  linear.gate_up.adapt(pass, s.gate_up, p.xn, s.h[kGateUp]);
  if (!linear.gate_up.below) return;
  norm_backward(y.ffn_norm, s.ffn_in, s.ffn_rstd);
  copy_dx();
  linear.o.backward(pass, p.dxa, p.datt);
  linear.o.adapt(pass, p.dxa, s.att, s.h[kO]);
  if (!linear.o.below) return;
  run_.attention("attention back", attention(s), p.sequences, true);
  turn(l, p.dqkv, -1.0f);
  qk_norm_backward(l, s);
  linear.qkv.backward(pass, p.dqkv, p.dxn);
  norm_again(y.attn_norm, s.attn_in, s.attn_rstd);
  linear.qkv.adapt(pass, p.dqkv, p.xn, s.h[kQkv]);
  if (linear.qkv.below) norm_backward(y.attn_norm, s.attn_in, s.attn_rstd);
}

// ---- norms of the residual stream ---------------------------------------------------------------------------------

// xn = norm(x); a copy of x is kept for the way back where there is room for it.
void Step::norm(const std::vector<float>& w, const Tensor& in, const Tensor& rstd) {
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    run_.k.rmsnorm_fwd(plan_.x, w.data(), base_.desc.norm_eps, plan_.xn, rstd.as<float>(), t0, t1);
    if (in.view.data) run_.k.convert(plan_.x, in, t0, t1);
  });
}

void Step::norm_again(const std::vector<float>& w, const Tensor& in, const Tensor& rstd) {
  run_.rows(
      "norm", plan_.t, [&](int t0, int t1) { run_.k.rmsnorm_again(in, w.data(), rstd.as<float>(), plan_.xn, t0, t1); });
}

// dx += what came through the norm from dxn
void Step::norm_backward(const std::vector<float>& w, const Tensor& in, const Tensor& rstd) {
  run_.rows("norm", plan_.t,
      [&](int t0, int t1) { run_.k.rmsnorm_bwd(plan_.dxn, in, w.data(), rstd.as<float>(), plan_.dx, t0, t1); });
}

void Step::copy_dx() {
  run_.rows("norm", plan_.t, [&](int t0, int t1) { run_.k.convert(plan_.dx, plan_.dxa, t0, t1); });
}

// ---- heads ----------------------------------------------------------------------------------------------------------

Attention Step::attention(const Saved& s) const {
  const auto& d = base_.desc;
  const Heads at(s.qkv, d), back(plan_.dqkv, d);
  Attention a{};
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  a.scale = d.attention_scale;
  a.q = at.q;
  a.k = at.k;
  a.v = at.v;
  a.out = s.att;
  a.lse = s.lse.as<float>();
  a.ld_lse = s.lse.view.ld;
  a.dout = plan_.datt;
  a.dq = back.q;
  a.dk = back.k;
  a.dv = back.v;
  return a;
}

// RoPE on q and k, in place; sign -1 on their gradients.
void Step::turn(int l, const View& qkv, float sign) {
  const int table = base_.desc.rope_of_layer[l];
  if (table < 0) return;
  const RopeTable& r = base_.desc.ropes[table];
  const Rope rope{
      base_.desc.head_dim, r.dim, r.interleaved, plan_.cos[table].as<float>(), plan_.sin[table].as<float>()};
  const View qk = Heads(qkv, base_.desc).qk;
  run_.rows("rope", plan_.t, [&](int t0, int t1) { run_.k.rope(qk, rope, sign, t0, t1); });
}

// An RMS norm over each head of q and k.
void Step::qk_norm(int l, Saved& s) {
  const auto& d = base_.desc;
  if (d.qk_norm == QkNorm::None) return;
  const Layer& y = base_.layers[l];
  const View qk = Heads(s.qkv, d).qk;
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    run_.k.convert(qk, s.qk, t0, t1);
    for (int h = 0; h < d.heads + d.kv_heads; h++) {
      const int c = h * d.head_dim;
      run_.k.rmsnorm_fwd(s.qk.view.columns(c, d.head_dim), (h < d.heads ? y.q_norm : y.k_norm).data(), d.norm_eps,
          qk.columns(c, d.head_dim), s.qk_rstd.as<float>() + h * s.qk_rstd.view.ld, t0, t1);
    }
  });
}

void Step::qk_norm_backward(int l, const Saved& s) {
  const auto& d = base_.desc;
  if (d.qk_norm == QkNorm::None) return;
  const Layer& y = base_.layers[l];
  const View qk = Heads(plan_.dqkv, d).qk, dy = plan_.dqk, dx = plan_.dqk_in;
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    run_.k.convert(qk, dy, t0, t1);
    std::memset(dx.from(t0).data, 0, sizeof(float) * (t1 - t0) * dx.ld);
    for (int h = 0; h < d.heads + d.kv_heads; h++) {
      const int c = h * d.head_dim;
      run_.k.rmsnorm_bwd(dy.columns(c, d.head_dim), s.qk.view.columns(c, d.head_dim),
          (h < d.heads ? y.q_norm : y.k_norm).data(), s.qk_rstd.as<float>() + h * s.qk_rstd.view.ld,
          dx.columns(c, d.head_dim), t0, t1);
    }
    run_.k.convert(dx, qk, t0, t1);
  });
}

}  // namespace ft
