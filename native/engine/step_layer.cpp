// One layer of the transformer, forward and backward.
#include "step.h"

#include <cmath>
#include <cstring>

#include "plan.h"
#include "timer.h"

namespace ft {

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
      k_.rmsnorm_fwd(pre + h * d.head_dim, width, (h < d.heads ? y.q_norm : y.k_norm).data(), d.norm_eps, d.head_dim,
          base_->act(), s.qkv.data() + p.width * h * d.head_dim, p.ld_qkv,
          s.qk_rstd.as<float>() + static_cast<int64_t>(h) * p.cap, t0, t1);
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
      k_.rmsnorm_bwd(dy + h * d.head_dim, width, Dtype::F32, s.qk_pre.as<float>() + h * d.head_dim, width,
          (h < d.heads ? y.q_norm : y.k_norm).data(), s.qk_rstd.as<float>() + static_cast<int64_t>(h) * p.cap,
          d.head_dim, dx + h * d.head_dim, width, t0, t1);
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
  linear("qkv", {act, p.xn.data(), nullptr, p.ld_d}, d.hidden, y.qkv, group(kQkv), s.h[kQkv].data(), act, s.qkv.data(),
      p.ld_qkv, false, l, kQkv, drop);
  if (!y.qkv_bias.empty())
    rows("bias", p.t,
        [&](int t0, int t1) { k_.add_bias(act, s.qkv.data(), p.ld_qkv, y.qkv_bias.data(), nqkv, t0, t1); });
  if (!y.q_norm.empty()) qk_norm(l, s);
  rows("rope", p.t, [&](int t0, int t1) {
    k_.rope(act, s.qkv.data(), p.ld_qkv, d.heads + d.kv_heads, d.head_dim, d.rope_dim, d.rope_interleaved,
        p.cosv.as<float>(), p.sinv.as<float>(), 1.0f, t0, t1);
  });
  run_attention("attention", s, false);
  linear("o", {act, s.att.data(), nullptr, p.ld_q}, nq, y.o, group(kO), s.h[kO].data(), Dtype::F32, x, d.hidden, true,
      l, kO, drop);
  norm(y.ffn_norm, s.xmid, s.rstd2);
  linear("gate_up", {act, p.xn.data(), nullptr, p.ld_d}, d.hidden, y.gate_up, group(kGateUp), s.h[kGateUp].data(), act,
      s.gu.data(), p.ld_gu, false, l, kGateUp, drop);
  rows("swiglu", p.t,
      [&](int t0, int t1) { k_.swiglu_fwd(act, s.gu.data(), p.ld_gu, d.ffn, p.act.data(), p.ld_f, t0, t1); });
  linear("down", {act, p.act.data(), nullptr, p.ld_f}, d.ffn, y.down, group(kDown), s.h[kDown].data(), Dtype::F32, x,
      d.hidden, true, l, kDown, drop);
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
  auto copy_dx = [&] {
    rows("norm", p.t, [&](int t0, int t1) { k_.to_act(dx, d.hidden, d.hidden, act, p.dxa.data(), p.ld_d, t0, t1); });
  };
  auto norm_again = [&](const Buffer& x, const Buffer& rstd, const std::vector<float>& w) {
    rows("norm", p.t, [&](int t0, int t1) {
      k_.rmsnorm_again(act, x.data(), p.ld_d, w.data(), rstd.as<float>(), d.hidden, p.xn.data(), p.ld_d, t0, t1);
    });
  };
  auto norm_backward = [&](const Buffer& x, const Buffer& rstd, const std::vector<float>& w) {
    rows("norm", p.t, [&](int t0, int t1) {
      k_.rmsnorm_bwd(p.dxn.as<float>(), d.hidden, act, x.data(), p.ld_d, w.data(), rstd.as<float>(), d.hidden, dx,
          d.hidden, t0, t1);
    });
  };

  auto linear_backward = [&](const char* name, int kind, const Weight& w, const Mat& dy, const Mat& x, Dtype type,
                             void* to, int64_t ld) {
    input_gradient(name, dy, w, lora.at(l, kind), type, last_layer && first == kind ? nullptr : to, ld, l, kind, drop);
    adapter_gradient(dy, x, lora.at(l, kind), s.h[kind].data(), l, kind, drop, gradient);
    return !(last_layer && first == kind);
  };

  copy_dx();
  const Mat dgu{act, s.gu.data(), nullptr, p.ld_gu};
  // The activation is made again on the way back through SwiGLU, so the adapter of `down` waits for it.
  const bool down_last = last_layer && first == kDown;
  input_gradient("down back", dxa, y.down, lora.at(l, kDown), act, p.dact.data(), p.ld_f, l, kDown, drop);
  rows("swiglu", p.t, [&](int t0, int t1) {
    k_.swiglu_bwd(
        act, s.gu.data(), p.ld_gu, d.ffn, p.dact.data(), p.ld_f, s.gu.data(), p.ld_gu, p.act.data(), p.ld_f, t0, t1);
  });
  adapter_gradient(
      dxa, {act, p.act.data(), nullptr, p.ld_f}, lora.at(l, kDown), s.h[kDown].data(), l, kDown, drop, gradient);
  if (down_last) return;
  norm_again(s.xmid, s.rstd2, y.ffn_norm);
  if (!linear_backward("gate_up back", kGateUp, y.gate_up, dgu, xn, Dtype::F32, p.dxn.data(), d.hidden)) return;
  norm_backward(s.xmid, s.rstd2, y.ffn_norm);

  copy_dx();
  if (!linear_backward("o back", kO, y.o, dxa, {act, s.att.data(), nullptr, p.ld_q}, act, p.datt.data(), p.ld_q))
    return;
  run_attention("attention back", s, true);
  rows("rope", p.t, [&](int t0, int t1) {
    k_.rope(act, p.dqkv.data(), p.ld_qkv, d.heads + d.kv_heads, d.head_dim, d.rope_dim, d.rope_interleaved,
        p.cosv.as<float>(), p.sinv.as<float>(), -1.0f, t0, t1);
  });
  if (!y.q_norm.empty()) qk_norm_backward(l, s);
  norm_again(s.xin, s.rstd1, y.attn_norm);
  // below the lowest adapted layer nothing wants a gradient
  const Mat dqkv{act, p.dqkv.data(), nullptr, p.ld_qkv};
  input_gradient("qkv back", dqkv, y.qkv, lora.at(l, kQkv), Dtype::F32, last_layer ? nullptr : p.dxn.data(), d.hidden,
      l, kQkv, drop);
  adapter_gradient(dqkv, xn, lora.at(l, kQkv), s.h[kQkv].data(), l, kQkv, drop, gradient);
  if (!last_layer) norm_backward(s.xin, s.rstd1, y.attn_norm);
}

}  // namespace ft
