#include "check_attention.h"

#include <algorithm>

namespace ft {

namespace {

constexpr int kHeads = 4, kKvHeads = 2;

// One query head of one sequence in float64.
struct Exact {
  int len, dim;
  std::vector<double> q, k, v, g;          // [len][dim]
  std::vector<double> out, dq, dk, dv, p;  // p [len][len]

  void forward() {
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    out.assign(static_cast<size_t>(len) * dim, 0);
    p.assign(static_cast<size_t>(len) * len, 0);
    for (int i = 0; i < len; i++) {
      double top = -INFINITY, sum = 0;
      for (int j = 0; j <= i; j++) {
        double s = 0;
        for (int d = 0; d < dim; d++) s += q[i * dim + d] * k[j * dim + d];
        p[i * len + j] = s * scale;
        top = std::max(top, s * scale);
      }
      for (int j = 0; j <= i; j++) sum += p[i * len + j] = std::exp(p[i * len + j] - top);
      for (int j = 0; j <= i; j++) {
        p[i * len + j] /= sum;
        for (int d = 0; d < dim; d++) out[i * dim + d] += p[i * len + j] * v[j * dim + d];
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
    for (int i = 0; i < len; i++) {
      double delta = 0;
      for (int d = 0; d < dim; d++) delta += out[i * dim + d] * g[i * dim + d];
      for (int j = 0; j <= i; j++) {
        double dp = 0;
        for (int d = 0; d < dim; d++) dp += g[i * dim + d] * v[j * dim + d];
        const double ds = p[i * len + j] * (dp - delta) * scale;
        for (int d = 0; d < dim; d++) {
          dv[j * dim + d] += p[i * len + j] * g[i * dim + d];
          dq[i * dim + d] += ds * k[j * dim + d];
          dk[j * dim + d] += ds * q[i * dim + d];
        }
      }
    }
  }
};

double read(Dtype type, const void* p, int64_t i) {
  return type == Dtype::F32 ? static_cast<const float*>(p)[i] : widen(static_cast<const bf16_t*>(p)[i]);
}

// dq at a few places by central differences.
double differences(Exact e) {
  Error2 error;
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
      error.add(gradient[i], (up - down) / (2 * h));
    }
  }
  return error.relative();
}

}  // namespace

void check_attention(const KernelSet& set, Random& random, int len, int dim, Dtype type, const std::string& name,
    std::map<std::string, double>& errors) {
  const int first = 3, total = first + len;  // a short sequence comes before: borders are kept
  const int q_cols = kHeads * dim, kv_cols = kKvHeads * dim;
  const size_t width = size_of(type);
  const Operand qkv(random, total, q_cols + 2 * kv_cols, type), dout(random, total, q_cols, type);
  const int64_t ld = qkv.view().ld, ld_out = dout.view().ld;
  const Buffer out(width * round_up(total, kRowPad) * ld_out), dqkv(width * round_up(total, kRowPad) * ld),
      lse(sizeof(float) * kHeads * total);
  Attention a{};
  a.heads = kHeads;
  a.kv_heads = kKvHeads;
  a.head_dim = dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  auto heads = [&](const View& all, View& q, View& k, View& v) {
    q = all.columns(0, q_cols);
    k = all.columns(q_cols, kv_cols);
    v = all.columns(q_cols + kv_cols, kv_cols);
  };
  heads(qkv.view(), a.q, a.k, a.v);
  heads({type, qkv.view().cols, ld, dqkv.data()}, a.dq, a.dk, a.dv);
  a.out = {type, q_cols, ld_out, out.data()};
  a.lse = lse.as<float>();
  a.ld_lse = total;
  a.dout = dout.view();
  const Buffer memory(set.attention_scratch(a, std::max(len, first)));
  Scratch scratch{memory.data(), memory.size()};
  for (const auto pass : {set.attention_fwd, set.attention_bwd})
    for (int h = 0; h < kKvHeads; h++) {
      pass(a, 0, first, h, scratch);
      pass(a, first, len, h, scratch);
    }
  Error2 forward, backward;
  for (int t0 : {0, first}) {
    const int n = t0 == 0 ? first : len;
    for (int kv = 0; kv < kKvHeads; kv++) {
      std::vector<double> dk(static_cast<size_t>(n) * dim, 0), dv(dk.size(), 0);
      for (int h = kv * 2; h < kv * 2 + 2; h++) {
        Exact e{n, dim, {}, {}, {}, {}, {}, {}, {}, {}, {}};
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
            forward.add(read(type, out.data(), (t0 + i) * ld_out + h * dim + d), e.out[i * dim + d]);
            backward.add(read(type, dqkv.data(), (t0 + i) * ld + h * dim + d), e.dq[i * dim + d]);
            dk[i * dim + d] += e.dk[i * dim + d];
            dv[i * dim + d] += e.dv[i * dim + d];
          }
        if (h == 0 && n <= 40)
          errors["attention by differences"] = std::max(errors["attention by differences"], differences(e));
      }
      for (int i = 0; i < n; i++)
        for (int d = 0; d < dim; d++) {
          backward.add(read(type, dqkv.data(), (t0 + i) * ld + q_cols + kv * dim + d), dk[i * dim + d]);
          backward.add(read(type, dqkv.data(), (t0 + i) * ld + q_cols + kv_cols + kv * dim + d), dv[i * dim + d]);
        }
    }
  }
  errors[name] = std::max(errors[name], forward.relative());
  errors[name + " back"] = std::max(errors[name + " back"], backward.relative());
}

}  // namespace ft
