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

// to += from, f32
void add(const View& from, const View& to, int t0, int t1) {
  const auto* x = static_cast<const float*>(from.from(t0).data);
  auto* y = static_cast<float*>(to.from(t0).data);
  for (int64_t i = 0, n = from.ld * (t1 - t0); i < n; i++) y[i] += x[i];
}

// The rows of q and k that are normed together: of each head, or all of q and all of k.
struct QkRows {
  int q, width_q, count, width_k;
  explicit QkRows(const Description& d)
      : q(d.qk_norm == QkNorm::Head ? d.heads : 1),
        width_q(d.q() / q),
        count(d.qk_norm == QkNorm::Head ? d.heads + d.kv_heads : 2),
        width_k(d.kv() / (count - q)) {}
  View at(const View& qk, int i) const {
    return i < q ? qk.columns(i * width_q, width_q) : qk.columns(q * width_q + (i - q) * width_k, width_k);
  }
};

}  // namespace

void Step::layer_forward(const Pass& pass, int l, Saved& s) {
  const Layer& y = base_.layers[l];
  const LayerLinears& linear = linears_[l];
  Plan& p = plan_;
  take_in(y.attn_norm, s.attn);
  linear.qkv.forward(pass, p.xn, s.h[kQkv], s.qkv);
  qk_norm(l, s);
  turn(l, s.qkv, 1.0f);
  run_.attention("attention", attention(l, s), p.sequences, false);
  put_out(pass, linear.o, s.att, s.h[kO], y.post_attn_norm, s.post_attn);
  take_in(y.ffn_norm, s.ffn);
  linear.gate_up.forward(pass, p.xn, s.h[kGateUp], s.gate_up);
  const Activation a = base_.desc.activation;
  run_.rows("glu", p.t, [&](int t0, int t1) { run_.k.glu_fwd(a, s.gate_up, p.act, t0, t1); });
  put_out(pass, linear.down, p.act, s.h[kDown], y.post_ffn_norm, s.post_ffn);
}

// plan.dx holds the gradient of what the layer put out, and then that of what it took in. Ends where nothing below is
// adapted.
void Step::layer_backward(const Pass& pass, int l, Saved& s) {
  const Layer& y = base_.layers[l];
  const LayerLinears& linear = linears_[l];
  Plan& p = plan_;
  put_out_backward(y.post_ffn_norm, s.post_ffn);
  linear.down.backward(pass, p.dxa, p.dact);
  const Activation a = base_.desc.activation;
  run_.rows("glu", p.t, [&](int t0, int t1) { run_.k.glu_bwd(a, s.gate_up, p.dact, s.gate_up, p.act, t0, t1); });
  linear.down.adapt(pass, p.dxa, p.act, s.h[kDown]);
  if (!linear.down.below) return;
  linear.gate_up.backward(pass, s.gate_up, p.dxn);
  take_in_again(y.ffn_norm, s.ffn);
  linear.gate_up.adapt(pass, s.gate_up, p.xn, s.h[kGateUp]);
  if (!linear.gate_up.below) return;
  take_in_backward(y.ffn_norm, s.ffn);
  put_out_backward(y.post_attn_norm, s.post_attn);
  linear.o.backward(pass, p.dxa, p.datt);
  linear.o.adapt(pass, p.dxa, s.att, s.h[kO]);
  if (!linear.o.below) return;
  run_.attention("attention back", attention(l, s), p.sequences, true);
  turn(l, p.dqkv, -1.0f);
  qk_norm_backward(l, s);
  linear.qkv.backward(pass, p.dqkv, p.dxn);
  take_in_again(y.attn_norm, s.attn);
  linear.qkv.adapt(pass, p.dqkv, p.xn, s.h[kQkv]);
  if (linear.qkv.below) take_in_backward(y.attn_norm, s.attn);
}

// ---- between the residual stream and the two parts of a layer; w is empty where there is no norm ------------------

// xn = norm(x); a copy of x is kept for the way back where there is room for it.
void Step::take_in(const std::vector<float>& w, const Normed& s) {
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    if (w.empty()) run_.k.convert(plan_.x, plan_.xn, t0, t1);
    else run_.k.rmsnorm_fwd(plan_.x, w.data(), base_.desc.norm_eps, plan_.xn, s.rstd.as<float>(), t0, t1);
    if (s.in.view.data) run_.k.convert(plan_.x, s.in, t0, t1);
  });
}

// x += norm(what the linear layer puts out)
void Step::put_out(const Pass& pass, const Linear& linear, const View& x, const Tensor& h, const std::vector<float>& w,
    const Normed& s) {
  if (w.empty()) return linear.forward(pass, x, h, plan_.x, true);
  const View part = plan_.part;
  linear.forward(pass, x, h, part);
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    if (s.in.view.data) run_.k.convert(part, s.in, t0, t1);
    run_.k.rmsnorm_fwd(part, w.data(), base_.desc.norm_eps, part, s.rstd.as<float>(), t0, t1);
    add(part, plan_.x, t0, t1);
  });
}

// dxa = gradient of what the linear layer put out, from dx
void Step::put_out_backward(const std::vector<float>& w, const Normed& s) {
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    if (w.empty()) return run_.k.convert(plan_.dx, plan_.dxa, t0, t1);
    const View part = plan_.part;
    std::memset(part.from(t0).data, 0, sizeof(float) * (t1 - t0) * part.ld);
    run_.k.rmsnorm_bwd(plan_.dx, s.in, w.data(), s.rstd.as<float>(), part, t0, t1);
    run_.k.convert(part, plan_.dxa, t0, t1);
  });
}

// xn as take_in left it
void Step::take_in_again(const std::vector<float>& w, const Normed& s) {
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    if (w.empty())
      std::memcpy(plan_.xn.view.from(t0).data, s.in.view.from(t0).data,
          size_of(plan_.xn.view.type) * plan_.xn.view.ld * (t1 - t0));
    else run_.k.rmsnorm_again(s.in, w.data(), s.rstd.as<float>(), plan_.xn, t0, t1);
  });
}

// dx += what came through take_in from dxn
void Step::take_in_backward(const std::vector<float>& w, const Normed& s) {
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    if (!w.empty()) return run_.k.rmsnorm_bwd(plan_.dxn, s.in, w.data(), s.rstd.as<float>(), plan_.dx, t0, t1);
    add(plan_.dxn, plan_.dx, t0, t1);
  });
}

// ---- heads ----------------------------------------------------------------------------------------------------------

Attention Step::attention(int l, const Saved& s) const {
  const auto& d = base_.desc;
  const Heads at(s.qkv, d), back(plan_.dqkv, d);
  Attention a{};
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  a.scale = d.attention_scale;
  a.softcap = d.attention_softcap;
  a.window = plan_.longest > d.per_layer[l].window ? d.per_layer[l].window : 0;  // else it hides nothing
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
  const int table = base_.desc.per_layer[l].rope;
  if (table < 0) return;
  const RopeTable& r = base_.desc.ropes[table];
  const Rope rope{
      base_.desc.head_dim, r.dim, r.interleaved, plan_.cos[table].as<float>(), plan_.sin[table].as<float>()};
  const View qk = Heads(qkv, base_.desc).qk;
  run_.rows("rope", plan_.t, [&](int t0, int t1) { run_.k.rope(qk, rope, sign, t0, t1); });
}

void Step::qk_norm(int l, Saved& s) {
  const auto& d = base_.desc;
  if (d.qk_norm == QkNorm::None) return;
  const Layer& y = base_.layers[l];
  const QkRows rows(d);
  const View qk = Heads(s.qkv, d).qk;
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    run_.k.convert(qk, s.qk, t0, t1);
    for (int i = 0; i < rows.count; i++)
      run_.k.rmsnorm_fwd(rows.at(s.qk, i), (i < rows.q ? y.q_norm : y.k_norm).data(), d.norm_eps, rows.at(qk, i),
          s.qk_rstd.as<float>() + i * s.qk_rstd.view.ld, t0, t1);
  });
}

void Step::qk_norm_backward(int l, const Saved& s) {
  const auto& d = base_.desc;
  if (d.qk_norm == QkNorm::None) return;
  const Layer& y = base_.layers[l];
  const QkRows rows(d);
  const View qk = Heads(plan_.dqkv, d).qk, dy = plan_.dqk, dx = plan_.dqk_in;
  run_.rows("norm", plan_.t, [&](int t0, int t1) {
    run_.k.convert(qk, dy, t0, t1);
    std::memset(dx.from(t0).data, 0, sizeof(float) * (t1 - t0) * dx.ld);
    for (int i = 0; i < rows.count; i++)
      run_.k.rmsnorm_bwd(rows.at(dy, i), rows.at(s.qk, i), (i < rows.q ? y.q_norm : y.k_norm).data(),
          s.qk_rstd.as<float>() + i * s.qk_rstd.view.ld, rows.at(dx, i), t0, t1);
    run_.k.convert(dx, qk, t0, t1);
  });
}

}  // namespace ft
