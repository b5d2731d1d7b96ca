// The output matrix and the loss.
#include "step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan.h"

namespace ft {

// Cross-entropy over the vocabulary in tiles, one pass: like attention whose keys and values are both the output
// matrix. With m the running maximum, acc = sum exp(l - m) W_v, so that d(nll)/dx = acc / sum - W_target.
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
    std::memcpy(xg + static_cast<int64_t>(i) * d.hidden, p.x.as<float>() + static_cast<int64_t>(pos[i] - 1) * d.hidden,
        sizeof(float) * d.hidden);
    target[i] = b.tokens[pos[i]];
    mx[i] = -INFINITY;
    sum[i] = tl[i] = 0;
  }
  if (train) std::memset(acc, 0, sizeof(float) * static_cast<size_t>(n) * d.hidden);
  rows("norm", n, [&](int t0, int t1) {
    k_.rmsnorm_fwd(xg, d.hidden, base_->final_norm.data(), d.norm_eps, d.hidden, act, p.xf.data(), p.ld_d,
        p.rstd.as<float>(), t0, t1);
  });
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
      k_.softmax_tile(p.logits.as<float>(), kVocabTile, v0, nv, target, mx, sum, tl, act,
          train ? p.prob.data() : nullptr, kVocabTile, p.rescale.as<float>(), t0, t1);
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
      k_.rmsnorm_bwd(a, d.hidden, Dtype::F32, p.xg.as<float>() + static_cast<int64_t>(t) * d.hidden, d.hidden,
          base_->final_norm.data(), p.rstd.as<float>() + t, d.hidden,
          dx + static_cast<int64_t>(p.positions[t] - 1) * d.hidden, d.hidden, 0, 1);
    }
  });
}

}  // namespace ft
