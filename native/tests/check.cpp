#include "check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "check_attention.h"
#include "check_data.h"
#include "../engine/memory.h"

namespace ft {

namespace {

// One product of the given kinds of operands, in all ways that the engine uses it.
void check_gemm(const KernelSet& set, Random& random, int m, int n, int k, Dtype a_type, Dtype b_type, bool trans,
    const std::string& name, std::map<std::string, double>& errors) {
  const int k2 = 24;  // the second segment: LoRA's thin product
  const Operand a(random, m, k, a_type), a2(random, m, k2, a_type);
  const Operand b(random, trans ? n : k, trans ? k : n, b_type), b2(random, trans ? n : k2, trans ? k2 : n, a_type);
  const Dtype out = a_type == Dtype::F32 ? Dtype::F32 : Dtype::BF16;
  for (const bool two : {false, true}) {
    std::vector<double> want(static_cast<size_t>(m) * n);
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int l = 0; l < k; l++) sum += a.at(i, l) * (trans ? b.at(j, l) : b.at(l, j));
        for (int l = 0; two && l < k2; l++) sum += a2.at(i, l) * (trans ? b2.at(j, l) : b2.at(l, j));
        want[static_cast<size_t>(i) * n + j] = sum;
      }
    Gemm g;
    g.m = m;
    g.n = n;
    g.seg[0] = {a.view(), b.view(), trans};
    g.seg[1] = {a2.view(), b2.view(), trans};
    g.segments = two ? 2 : 1;
    g.c.ld = n + 3;
    g.c.cols = n;
    const Buffer c(sizeof(float) * m * g.c.ld), cut(sizeof(float) * m * g.c.ld), half(sizeof(bf16_t) * m * g.c.ld);
    g.c.type = out;  // the one that takes more scratch
    const Buffer memory(set.gemm_scratch(g));
    g.c.type = Dtype::F32;
    g.fine = true;
    const Buffer memory_fine(set.gemm_scratch(g));
    g.fine = false;
    Scratch scratch{memory.data(), memory.size()}, scratch_fine{memory_fine.data(), memory_fine.size()};
    g.c.data = c.data();
    set.gemm(g, 0, m, 0, n, scratch);
    auto error = [&](auto get) {
      Error2 e;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) e.add(get(i, j), want[static_cast<size_t>(i) * n + j]);
      return e.relative();
    };
    double& worst = errors[name];
    worst = std::max(worst, error([&](int i, int j) { return c.as<float>()[i * g.c.ld + j]; }));
    // in pieces: the same bits
    const GemmCut step = set.gemm_cut(g);
    g.c.data = cut.data();
    for (int i = 0; i < m; i += step.m_step)
      for (int j = 0; j < n; j += step.n_step)
        set.gemm(g, i, std::min(m, i + step.m_step), j, std::min(n, j + step.n_step), scratch);
    if (std::memcmp(c.data(), cut.data(), c.size()) != 0) errors[name + " in pieces"] = 1;
    // on top of what is there
    g.accumulate = true;
    set.gemm(g, 0, m, 0, n, scratch);
    worst = std::max(worst, error([&](int i, int j) { return cut.as<float>()[i * g.c.ld + j] / 2; }));
    if (out != Dtype::BF16) continue;
    g.accumulate = false;
    g.fine = true;
    set.gemm(g, 0, m, 0, n, scratch_fine);
    errors["fine " + name] =
        std::max(errors["fine " + name], error([&](int i, int j) { return cut.as<float>()[i * g.c.ld + j]; }));
    g.fine = false;
    g.c.type = Dtype::BF16;
    g.c.data = half.data();
    set.gemm(g, 0, m, 0, n, scratch);
    errors[name + " to bf16"] = std::max(
        errors[name + " to bf16"], error([&](int i, int j) { return widen(half.as<bf16_t>()[i * g.c.ld + j]); }));
  }
}

double silu(double x) { return x / (1 + std::exp(-x)); }

// RMS norm and SwiGLU against float64, their backward passes against central differences of the float64 forward.
void check_rows(const KernelSet& set, Random& random, int m, int n, std::map<std::string, double>& errors) {
  const Operand x(random, m, n, Dtype::F32), dy(random, m, n, Dtype::F32), w(random, 1, n, Dtype::F32);
  const auto* ws = static_cast<const float*>(w.view().data);
  const auto* ds = static_cast<const float*>(dy.view().data);
  const int64_t ld = x.view().ld;
  const Buffer y(sizeof(float) * m * ld), rstd(sizeof(float) * m), dx(sizeof(float) * m * ld);
  const double eps = 0.1, h = 1e-6;  // an eps that counts, or rows of one value have no gradient to speak of
  auto like = [](const Operand& shape, const Buffer& b) {
    return View{Dtype::F32, shape.view().cols, shape.view().ld, b.data()};
  };
  set.rmsnorm_fwd(x.view(), ws, 0.1f, like(x, y), rstd.as<float>(), 0, m);
  set.rmsnorm_bwd(dy.view(), x.view(), ws, rstd.as<float>(), like(x, dx), 0, m);
  Error2 forward, backward, swiglu, swiglu_back;
  for (int i = 0; i < m; i++) {
    double square = 0;
    for (int j = 0; j < n; j++) square += x.at(i, j) * x.at(i, j);
    const double r = 1 / std::sqrt(square / n + eps);
    for (int j = 0; j < n; j++) forward.add(y.as<float>()[i * ld + j], x.at(i, j) * r * ws[j]);
    for (int j = 0; j < n; j += std::max(1, n / 7)) {
      auto loss = [&](double step) {
        const double moved = x.at(i, j) + step, s = square - x.at(i, j) * x.at(i, j) + moved * moved;
        double sum = 0;
        for (int l = 0; l < n; l++)
          sum += (l == j ? moved : x.at(i, l)) / std::sqrt(s / n + eps) * ws[l] * ds[i * ld + l];
        return sum;
      };
      backward.add(dx.as<float>()[i * ld + j], (loss(h) - loss(-h)) / (2 * h));
    }
  }
  const Operand gu(random, m, 2 * n, Dtype::F32);
  const Buffer act(sizeof(float) * m * ld), dgu(sizeof(float) * m * gu.view().ld);
  set.swiglu_fwd(gu.view(), like(x, act), 0, m);
  const Buffer again(sizeof(float) * m * ld);
  set.swiglu_bwd(gu.view(), dy.view(), like(gu, dgu), like(x, again), 0, m);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      const double g = gu.at(i, j), u = gu.at(i, n + j), d = ds[i * ld + j];
      swiglu.add(act.as<float>()[i * ld + j], silu(g) * u);
      swiglu.add(again.as<float>()[i * ld + j], silu(g) * u);
      swiglu_back.add(dgu.as<float>()[i * gu.view().ld + j], (silu(g + h) - silu(g - h)) / (2 * h) * u * d);
      swiglu_back.add(dgu.as<float>()[i * gu.view().ld + n + j], silu(g) * d);
    }
  errors["rmsnorm"] = forward.relative();
  errors["rmsnorm back"] = backward.relative();
  errors["swiglu"] = swiglu.relative();
  errors["swiglu back"] = swiglu_back.relative();
}

// Cross-entropy over two tiles: log-sum-exp, and the gradient by central differences.
void check_softmax(const KernelSet& set, Random& random, int m, int n, std::map<std::string, double>& errors) {
  const int tiles = 2, ldp = round_up(n, kColPad);
  std::vector<Operand> logits;
  for (int i = 0; i < tiles; i++) logits.emplace_back(random, m, n, Dtype::F32);
  std::vector<float> mx(m, -INFINITY), sum(m, 0.0f), tl(m, 0.0f), rescale(m, 1.0f);
  std::vector<int32_t> target(m);
  for (int i = 0; i < m; i++) target[i] = static_cast<int32_t>(random.next() % (tiles * n));
  const Buffer p(sizeof(float) * m * ldp), first(sizeof(float) * m * ldp);
  for (int v = 0; v < tiles; v++) {
    set.softmax_tile(logits[v].view(), v * n, target.data(), mx.data(), sum.data(), tl.data(),
        {Dtype::F32, n, ldp, p.data()}, rescale.data(), 0, m);
    if (v == 0) std::memcpy(first.data(), p.data(), p.size());
  }
  Error2 nll, gradient;
  const double h = 1e-5;
  for (int i = 0; i < m; i++) {
    auto loss = [&](int at, double step) {
      double s = 0, t = 0;
      for (int v = 0; v < tiles; v++)
        for (int j = 0; j < n; j++) {
          const double l = logits[v].at(i, j) + (v * n + j == at ? step : 0);
          s += std::exp(l);
          if (v * n + j == target[i]) t = l;
        }
      return std::log(s) - t;
    };
    nll.add(mx[i] + std::log(static_cast<double>(sum[i])) - tl[i], loss(-1, 0));
    for (int at = 0; at < tiles * n; at += std::max(1, n / 5)) {
      const double q =
          at < n ? first.as<float>()[i * ldp + at] * static_cast<double>(rescale[i]) : p.as<float>()[i * ldp + at - n];
      gradient.add(q / sum[i] - (at == target[i] ? 1 : 0), (loss(at, h) - loss(at, -h)) / (2 * h));
    }
  }
  errors["cross-entropy"] = nll.relative();
  errors["cross-entropy back"] = gradient.relative();
}

// Turning back undoes RoPE, and lengths are kept.
void check_rope(const KernelSet& set, Random& random, int m, std::map<std::string, double>& errors) {
  const int heads = 3, dim = 12, half = dim / 2;
  const Operand angle(random, m, half, Dtype::F32);
  std::vector<float> c(static_cast<size_t>(m) * half), s(c.size());
  for (int i = 0; i < m; i++)
    for (int j = 0; j < half; j++)
      c[i * half + j] = static_cast<float>(std::cos(angle.at(i, j))),
                   s[i * half + j] = static_cast<float>(std::sin(angle.at(i, j)));
  for (const bool interleaved : {false, true}) {
    const Operand x(random, m, heads * dim, Dtype::F32);
    const int64_t ld = x.view().ld;
    const Buffer y(sizeof(float) * m * ld);
    std::memcpy(y.data(), x.view().data, y.size());
    const View turn{Dtype::F32, heads * dim, ld, y.data()};
    const Rope rope{dim, dim, interleaved, c.data(), s.data()};
    set.rope(turn, rope, 1.0f, 0, m);
    Error2 turned, back;
    for (int i = 0; i < m; i++)
      for (int hd = 0; hd < heads; hd++)
        for (int j = 0; j < half; j++) {
          const int p = hd * dim + (interleaved ? 2 * j : j), q = hd * dim + (interleaved ? 2 * j + 1 : j + half);
          const double co = std::cos(angle.at(i, j)), si = std::sin(angle.at(i, j));
          turned.add(y.as<float>()[i * ld + p], x.at(i, p) * co - x.at(i, q) * si);
          turned.add(y.as<float>()[i * ld + q], x.at(i, q) * co + x.at(i, p) * si);
        }
    set.rope(turn, rope, -1.0f, 0, m);
    for (int i = 0; i < m; i++)
      for (int j = 0; j < heads * dim; j++) back.add(y.as<float>()[i * ld + j], x.at(i, j));
    errors[interleaved ? "rope interleaved" : "rope half"] = std::max(turned.relative(), back.relative());
  }
}

// AdamW against its definition in float64, masked entries untouched.
void check_adamw(const KernelSet& set, Random& random, int n, std::map<std::string, double>& errors) {
  const Operand theta(random, 1, n, Dtype::F32), g(random, 1, n, Dtype::F32);
  std::vector<float> t(n), m(n, 0.25f), v(n, 0.5f), gs(n);
  std::vector<uint8_t> mask(n);
  for (int i = 0; i < n; i++)
    t[i] = static_cast<float>(theta.at(0, i)), gs[i] = static_cast<float>(g.at(0, i)), mask[i] = random.next() % 3 != 0;
  const AdamW options{0.5f, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.19f, 0.001999f};
  set.adamw(options, t.data(), gs.data(), mask.data(), m.data(), v.data(), n);
  Error2 e;
  for (int i = 0; i < n; i++) {
    const double x = 0.5 * g.at(0, i), mm = 0.9 * 0.25 + 0.1 * x, vv = 0.999 * 0.5 + 0.001 * x * x,
                 old = theta.at(0, i);
    e.add(t[i], mask[i] ? old * (1 - 0.01 * 0.1) - 0.01 / 0.19 * mm / (std::sqrt(vv / 0.001999) + 1e-8) : old);
    if (!mask[i] && (m[i] != 0.25f || v[i] != 0.5f || t[i] != static_cast<float>(old))) errors["adamw mask"] = 1;
  }
  errors["adamw"] = e.relative();
}

}  // namespace

std::map<std::string, double> check_kernels(const KernelSet& set, int m, int n, int k, uint32_t seed) {
  std::map<std::string, double> errors;
  Random random(seed);
  for (const bool trans : {true, false}) {
    const std::string way = trans ? " nt" : " nn";
    check_gemm(set, random, m, n, k, Dtype::F32, Dtype::F32, trans, "gemm f32" + way, errors);
    check_gemm(set, random, m, n, k, Dtype::BF16, Dtype::Q8, trans, "gemm q8" + way, errors);
    check_gemm(set, random, m, n, k, Dtype::BF16, Dtype::BF16, trans, "gemm bf16" + way, errors);
  }
  check_rows(set, random, m, n, errors);
  check_softmax(set, random, m, n, errors);
  check_rope(set, random, m, errors);
  check_adamw(set, random, n, errors);
  const int head_dim = std::max(2, std::min(128, k / 2 * 2));
  check_attention(set, random, m, head_dim, Dtype::F32, "attention f32", errors);
  check_attention(set, random, m, head_dim, Dtype::BF16, "attention bf16", errors);
  return errors;
}

}  // namespace ft
