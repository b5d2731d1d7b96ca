#include "check.h"

namespace ft {

namespace {

constexpr int kHeads = 4, kKvHeads = 2;

// One query head of one sequence in float64.
struct Exact {
  int len, dim, window;                                         // window 0: none
  double cap;                                                   // softcap of the scores; 0: none
  std::vector<double> q, k, v, g;                               // [len][dim]
  std::vector<double> out, dq, dk, dv, p, slope;                // p, slope of the softcap: [len][len]
  std::vector<double> out_scale, dq_scale, dk_scale, dv_scale;  // sums of absolute terms

  int first(int i) const { return window > 0 ? std::max(0, i - window + 1) : 0; }
  void forward() {
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    out.assign(static_cast<size_t>(len) * dim, 0);
    out_scale = out;
    p.assign(static_cast<size_t>(len) * len, 0);
    slope = p;
    for (int i = 0; i < len; i++) {
      double top = -INFINITY, sum = 0;
      for (int j = first(i); j <= i; j++) {
        double s = 0;
        for (int d = 0; d < dim; d++) s += q[i * dim + d] * k[j * dim + d];
        s *= scale;
        if (cap > 0) s = cap * std::tanh(s / cap);
        slope[i * len + j] = cap > 0 ? 1 - s * s / (cap * cap) : 1;
        p[i * len + j] = s;
        top = std::max(top, s);
      }
      for (int j = first(i); j <= i; j++) sum += p[i * len + j] = std::exp(p[i * len + j] - top);
      for (int j = first(i); j <= i; j++) {
        p[i * len + j] /= sum;
        for (int d = 0; d < dim; d++) {
          out[i * dim + d] += p[i * len + j] * v[j * dim + d];
          out_scale[i * dim + d] += p[i * len + j] * std::fabs(v[j * dim + d]);
        }
      }
    }
  }
  double loss() {
    forward();
    double sum = 0;
    for (size_t i = 0; i < out.size(); i++) sum += out[i] * g[i];
    return sum;
  }
  void backward() {
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    dq.assign(q.size(), 0);
    dk.assign(q.size(), 0);
    dv.assign(q.size(), 0);
    dq_scale = dk_scale = dv_scale = dq;
    for (int i = 0; i < len; i++) {
      double delta = 0, delta_scale = 0;
      for (int d = 0; d < dim; d++) {
        delta += out[i * dim + d] * g[i * dim + d];
        delta_scale += std::fabs(out[i * dim + d] * g[i * dim + d]);
      }
      for (int j = first(i); j <= i; j++) {
        double dp = 0, dp_scale = delta_scale;
        for (int d = 0; d < dim; d++) {
          dp += g[i * dim + d] * v[j * dim + d];
          dp_scale += std::fabs(g[i * dim + d] * v[j * dim + d]);
        }
        const double at = p[i * len + j] * slope[i * len + j] * scale, ds = at * (dp - delta), ds_scale = at * dp_scale;
        for (int d = 0; d < dim; d++) {
          dv[j * dim + d] += p[i * len + j] * g[i * dim + d];
          dq[i * dim + d] += ds * k[j * dim + d];
          dk[j * dim + d] += ds * q[i * dim + d];
          dv_scale[j * dim + d] += p[i * len + j] * std::fabs(g[i * dim + d]);
          dq_scale[i * dim + d] += ds_scale * std::fabs(k[j * dim + d]);
          dk_scale[j * dim + d] += ds_scale * std::fabs(q[i * dim + d]);
        }
      }
    }
  }
};

// The gradient at a few places by central differences.
void differences(Exact e, Report::Worst worst) {
  const double h = 1e-5;
  e.backward();
  for (auto member : {&Exact::q, &Exact::k, &Exact::v}) {
    auto& x = e.*member;
    const auto& d = member == &Exact::q ? e.dq : member == &Exact::k ? e.dk : e.dv;
    const std::vector<double> gradient = d;
    for (size_t i = 0; i < x.size(); i += x.size() / 5 + 1) {
      const double at = x[i];
      x[i] = at + h;
      const double up = e.loss();
      x[i] = at - h;
      const double down = e.loss();
      x[i] = at;
      worst.add(gradient[i], (up - down) / (2 * h), 1);
    }
  }
}

}  // namespace

void check_attention(const KernelSet& set, Random& random, int len, int dim, Dtype type, int window, float softcap,
    const std::string& name, Report& report) {
  const int first = 3, total = first + len;  // a short sequence comes before: borders are kept
  const int q_cols = kHeads * dim, kv_cols = kKvHeads * dim, all = q_cols + 2 * kv_cols;
  const Operand qkv(random, total, all, type), dout(random, total, q_cols, type);
  // rows to spare up to a multiple of kRowPad
  const Guarded out(type, round_up(total, kRowPad), q_cols), dqkv(type, round_up(total, kRowPad), all),
      lse(Dtype::F32, kHeads, total, total);
  Attention a{};
  a.heads = kHeads;
  a.kv_heads = kKvHeads;
  a.head_dim = dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  a.window = window;
  a.softcap = softcap;
  auto heads = [&](const View& view, View& q, View& k, View& v) {
    q = view.columns(0, q_cols);
    k = view.columns(q_cols, kv_cols);
    v = view.columns(q_cols + kv_cols, kv_cols);
  };
  heads(qkv.view(), a.q, a.k, a.v);
  heads(dqkv.view(), a.dq, a.dk, a.dv);
  a.out = out.view();
  a.lse = static_cast<float*>(lse.view().data);
  a.ld_lse = total;
  a.dout = dout.view();
  const Buffer memory(set.attention_scratch(a, std::max(len, first)));
  Scratch scratch{memory.data(), memory.size()};
  for (const bool back : {false, true}) {
    const auto pass = back ? set.attention_bwd : set.attention_fwd;
    const Guarded& written = back ? dqkv : out;
    // the second sequence first: rows of the first are untouched then, and its kv heads one after the other
    for (int h = 0; h < kKvHeads; h++) pass(a, first, len, h, scratch);
    report.need(written.only(first, total), name + " writes outside its sequence");
    for (int h = 0; h < kKvHeads; h++) pass(a, 0, first, h, scratch);
    report.need(written.only(0, total) && lse.only(0, kHeads), name + " writes outside");
  }
  auto forward = report.of(name, type), backward = report.of(name + " back", type);
  for (int t0 : {0, first}) {
    const int n = t0 == 0 ? first : len;
    for (int kv = 0; kv < kKvHeads; kv++) {
      std::vector<double> dk(static_cast<size_t>(n) * dim, 0), dv(dk), dk_scale(dk), dv_scale(dk);
      for (int h = kv * 2; h < kv * 2 + 2; h++) {
        Exact e{};
        e.len = n;
        e.dim = dim;
        e.window = window;
        e.cap = softcap;
        for (int i = 0; i < n; i++)
          for (int d = 0; d < dim; d++) {
            e.q.push_back(qkv.at(t0 + i, h * dim + d));
            e.k.push_back(qkv.at(t0 + i, q_cols + kv * dim + d));
            e.v.push_back(qkv.at(t0 + i, q_cols + kv_cols + kv * dim + d));
            e.g.push_back(dout.at(t0 + i, h * dim + d));
          }
        e.forward();
        e.backward();
        for (int i = 0; i < n; i++)
          for (int d = 0; d < dim; d++) {
            const int at = i * dim + d;
            forward.add(out.at(t0 + i, h * dim + d), e.out[at], e.out_scale[at]);
            backward.add(dqkv.at(t0 + i, h * dim + d), e.dq[at], e.dq_scale[at]);
            dk[at] += e.dk[at];
            dv[at] += e.dv[at];
            dk_scale[at] += e.dk_scale[at];
            dv_scale[at] += e.dv_scale[at];
          }
        if (h == 0 && n <= 40) differences(e, report.of("attention by differences"));
      }
      for (int i = 0; i < n; i++)
        for (int d = 0; d < dim; d++) {
          const int at = i * dim + d;
          backward.add(dqkv.at(t0 + i, q_cols + kv * dim + d), dk[at], dk_scale[at]);
          backward.add(dqkv.at(t0 + i, q_cols + kv_cols + kv * dim + d), dv[at], dv_scale[at]);
        }
    }
  }
}

}  // namespace ft
