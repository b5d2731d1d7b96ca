// The output matrix and the loss.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "step.h"

namespace ft {

// Cross-entropy over the vocabulary in tiles, one pass: like attention whose keys and values are both the output
// matrix. With m the running maximum, acc = sum exp(l - m) W_v, so that d(nll)/dx = acc / sum - W_target.
double Step::head(const Batch& b, bool all, float* nll, bool train, float weight) {
  const auto& d = base_.desc;
  Plan& p = plan_;
  std::vector<int>& pos = p.positions;
  pos.clear();
  for (const auto& s : p.sequences)
    for (int t = 1; t < s.length; t++)
      if (all || b.mask[s.first + t]) pos.push_back(s.first + t);
  const int n = static_cast<int>(pos.size());
  if (n == 0) return 0;
  p.fit_head(n);
  auto* target = p.target.as<int32_t>();
  float *max = p.max.as<float>(), *sum = p.sum.as<float>(), *target_logit = p.target_logit.as<float>();
  for (int i = 0; i < n; i++) {
    std::memcpy(p.xg.view.from(i).data, p.x.view.from(pos[i] - 1).data, sizeof(float) * d.hidden);
    target[i] = b.tokens[pos[i]];
    max[i] = -INFINITY;
    sum[i] = target_logit[i] = 0;
  }
  if (train) std::memset(p.acc.view.data, 0, sizeof(float) * static_cast<size_t>(n) * d.hidden);
  run_.rows("norm", n, [&](int t0, int t1) {
    run_.k.rmsnorm_fwd(p.xg, base_.final_norm.data(), d.norm_eps, p.xf, p.xf_rstd.as<float>(), t0, t1);
  });
  for (int v0 = 0; v0 < d.vocab; v0 += kVocabTile) {
    const int nv = std::min(kVocabTile, d.vocab - v0);
    const View tile = base_.output().view.from(v0), logits = p.logits.view.columns(0, nv);
    const View prob = train ? p.prob.view.columns(0, nv) : View{base_.act()};
    Gemm forward;
    forward.m = n;
    forward.n = nv;
    forward.seg[0] = {p.xf, tile, true};
    forward.c = logits;
    run_.gemm("head", forward);
    run_.rows("softmax", n, [&](int t0, int t1) {
      float* rescale = p.rescale.as<float>();
      run_.k.softmax_tile(logits, d.logit_softcap, v0, target, max, sum, target_logit, prob, rescale, t0, t1);
      for (int t = t0; train && v0 > 0 && t < t1; t++) {
        if (rescale[t] == 1.0f) continue;
        auto* a = static_cast<float*>(p.acc.view.from(t).data);
        for (int i = 0; i < d.hidden; i++) a[i] *= rescale[t];
      }
    });
    if (!train) continue;
    Gemm back;
    back.m = n;
    back.n = d.hidden;
    back.seg[0] = {prob, tile, false};
    back.c = p.acc;
    back.accumulate = true;
    run_.gemm("head back", back);
  }
  double total = 0;
  for (int i = 0; i < n; i++) {
    const double x = static_cast<double>(max[i]) + std::log(static_cast<double>(sum[i])) - target_logit[i];
    total += b.mask[pos[i]] ? x : 0.0;
    if (nll) nll[pos[i]] = static_cast<float>(x);
  }
  if (train) head_backward(n, weight);
  return total;
}

// plan.dx = the gradient of the residual stream: zero but at the rows that predict.
void Step::head_backward(int n, float weight) {
  const auto& d = base_.desc;
  Plan& p = plan_;
  std::memset(p.dx.view.data, 0, sizeof(float) * static_cast<size_t>(p.t) * d.hidden);
  run_.rows("head back", n, [&](int t0, int t1) {
    constexpr int kPiece = 256;
    float row[kPiece];
    for (int t = t0; t < t1; t++) {
      auto* a = static_cast<float*>(p.acc.view.from(t).data);
      const float inv = 1.0f / p.sum.as<float>()[t];
      const float capped = d.logit_softcap > 0 ? p.target_logit.as<float>()[t] / d.logit_softcap : 0;
      const float slope = 1 - capped * capped;  // of the softcap at the target
      for (int c = 0; c < d.hidden; c += kPiece) {
        const int count = std::min(kPiece, d.hidden - c);
        read_row(base_.output().view, p.target.as<int32_t>()[t], c, count, row);
        for (int i = 0; i < count; i++) a[c + i] = (a[c + i] * inv - row[i] * slope) * weight;
      }
      // each row has its own target position: straight into the residual's gradient
      run_.k.rmsnorm_bwd(p.acc.view.from(t), p.xg.view.from(t), base_.final_norm.data(), p.xf_rstd.as<float>() + t,
          p.dx.view.from(p.positions[t] - 1), 0, 1);
    }
  });
}

}  // namespace ft
