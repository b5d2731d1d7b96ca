// Kernels that go row by row, in both precisions of activations, in two pieces.
#include "check.h"

namespace ft {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Runs rows 0 .. m in two pieces; nothing but the first may be written after the first.
template <class F>
void in_pieces(Report& report, const std::string& name, int m, std::initializer_list<const Guarded*> outputs, F&& run) {
  const int cut = m / 3;
  int from = 0;
  for (const int to : {cut, m}) {
    run(from, to);
    for (const Guarded* out : outputs) report.need(out->only(0, to), name + " writes outside");
    from = to;
  }
}

// d(x * rstd * w)/dx against dy, element j of row i.
double norm_gradient(
    const Operand& x, const Operand& dy, const Operand& w, int i, int j, int n, double r, double* scale) {
  double sum = 0, absolute = 0;
  for (int l = 0; l < n; l++) {
    sum += dy.at(i, l) * w.at(0, l) * x.at(i, l);
    absolute += std::fabs(dy.at(i, l) * w.at(0, l) * x.at(i, l));
  }
  const double along = x.at(i, j) * r * r * r / n;
  *scale = std::fabs(r * w.at(0, j) * dy.at(i, j)) + std::fabs(along) * absolute;
  return r * w.at(0, j) * dy.at(i, j) - along * sum;
}

void check_norm(
    const KernelSet& set, Random& random, int m, int n, Dtype type, const std::string& kind, Report& report) {
  const Operand x(random, m, n, Dtype::F32), act(random, m, n, type), dy(random, m, n, Dtype::F32);
  const Operand start(random, m, n, Dtype::F32), w(random, 1, n, Dtype::F32);
  const auto* ws = static_cast<const float*>(w.view().data);
  const float eps = 0.1f;  // one that counts, or rows of one value have no gradient to speak of
  const Guarded y(type, m, n), again(type, m, n), rstd(Dtype::F32, 1, m), dx(Dtype::F32, m, n);
  auto* rs = static_cast<float*>(rstd.view().data);
  in_pieces(report, "rmsnorm" + kind, m, {&y}, [&](int t0, int t1) {
    set.rmsnorm_fwd(x.view(), ws, eps, y.view(), rs, t0, t1);
    report.need(rstd.only(0, 1, 0, t1), "rmsnorm" + kind + " writes outside");
  });
  auto forward = report.of("rmsnorm" + kind, type);
  for (int i = 0; i < m; i++) {
    double square = 0;
    for (int j = 0; j < n; j++) square += x.at(i, j) * x.at(i, j);
    const double r = 1 / std::sqrt(square / n + eps);
    report.of("rmsnorm" + kind).add(rs[i], r, r);
    for (int j = 0; j < n; j++)
      forward.add(y.at(i, j), x.at(i, j) * r * w.at(0, j), std::fabs(x.at(i, j) * r * w.at(0, j)));
  }
  // the way back takes x as it was kept, with whatever rstd it is given
  const_cast<Guarded&>(dx).copy(start, m);
  in_pieces(report, "rmsnorm back" + kind, m, {}, [&](int t0, int t1) {
    set.rmsnorm_bwd(dy.view(), act.view(), ws, rs, dx.view(), t0, t1);
    set.rmsnorm_again(act.view(), ws, rs, again.view(), t0, t1);
    report.need(again.only(0, t1), "rmsnorm again" + kind + " writes outside");
  });
  report.need(dx.only(0, m), "rmsnorm back" + kind + " writes outside");
  auto backward = report.of("rmsnorm back" + kind);
  auto repeated = report.of("rmsnorm again" + kind, type);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double scale;
      const double d = norm_gradient(act, dy, w, i, j, n, rs[i], &scale);
      backward.add(dx.at(i, j), start.at(i, j) + d, scale + std::fabs(start.at(i, j)));
      const double out = act.at(i, j) * rs[i] * w.at(0, j);
      repeated.add(again.at(i, j), out, std::fabs(out));
    }
}

// The float64 gradient of the norm, the oracle above, against central differences.
void check_norm_oracle(Random& random, int n, Report& report) {
  const Operand x(random, 1, n, Dtype::F32), dy(random, 1, n, Dtype::F32), w(random, 1, n, Dtype::F32);
  const double eps = 0.1, h = 1e-6;
  auto loss = [&](int moved, double step, double* r) {
    double square = 0, sum = 0;
    auto at = [&](int l) { return x.at(0, l) + (l == moved ? step : 0); };
    for (int l = 0; l < n; l++) square += at(l) * at(l);
    *r = 1 / std::sqrt(square / n + eps);
    for (int l = 0; l < n; l++) sum += at(l) * *r * w.at(0, l) * dy.at(0, l);
    return sum;
  };
  for (int j = 0; j < n; j += std::max(1, n / 7)) {
    double r, unused, scale;
    const double differences = (loss(j, h, &unused) - loss(j, -h, &unused)) / (2 * h);
    loss(j, 0, &r);
    const double exact = norm_gradient(x, dy, w, 0, j, n, r, &scale);
    report.of("rmsnorm by differences").add(exact, differences, scale + 1);
  }
}

// The activation of a gate and its slope.
double activation(Activation a, double x, double* slope) {
  const double c = std::sqrt(2 / std::acos(-1.0)), t = std::tanh(c * (x + 0.044715 * x * x * x)), s = sigmoid(x);
  *slope = a == Activation::Silu ? s * (1 + x * (1 - s))
                                 : (1 + t) / 2 + x * (1 - t * t) / 2 * c * (1 + 3 * 0.044715 * x * x);
  return a == Activation::Silu ? x * s : x * (1 + t) / 2;
}

void check_glu(const KernelSet& set, Random& random, int m, int n, Activation a, Dtype type, const std::string& name,
    Report& report) {
  const Operand gu(random, m, 2 * n, type), dout(random, m, n, type);
  const Guarded out(type, m, n), again(type, m, n), dgu(type, m, 2 * n);
  in_pieces(report, name, m, {&out}, [&](int t0, int t1) { set.glu_fwd(a, gu.view(), out.view(), t0, t1); });
  in_pieces(report, name + " back", m, {&dgu, &again},
      [&](int t0, int t1) { set.glu_bwd(a, gu.view(), dout.view(), dgu.view(), again.view(), t0, t1); });
  Guarded over(type, m, 2 * n);
  over.copy(gu, m);
  const Guarded last(type, m, n);
  set.glu_bwd(a, over.view(), dout.view(), over.view(), last.view(), 0, m);
  report.need(over.same(dgu) && last.same(again), name + " back differs over its input");
  auto forward = report.of(name, type), backward = report.of(name + " back", type);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      const double g = gu.at(i, j), u = gu.at(i, n + j), d = dout.at(i, j);
      double slope;
      const double value = activation(a, g, &slope);
      // Far below 0 gelu is a difference of what is nearly equal, in any arithmetic of 24 bits.
      const double scale = a == Activation::Silu ? std::fabs(value) : std::fabs(value) + 0.01 * std::fabs(g);
      forward.add(out.at(i, j), value * u, scale * std::fabs(u));
      forward.add(again.at(i, j), value * u, scale * std::fabs(u));
      backward.add(
          dgu.at(i, j), d * u * slope, std::fabs(d * u) * (std::fabs(slope) + 0.1 * std::min(1.0, std::fabs(g))));
      backward.add(dgu.at(i, n + j), value * d, scale * std::fabs(d));
    }
}

void check_rope(const KernelSet& set, Random& random, int m, Dtype type, bool interleaved, const std::string& name,
    Report& report) {
  const int heads = 3, head = 14, dim = 12, half = dim / 2;  // two dimensions of each head stay
  const Operand angle(random, m, half, Dtype::F32), x(random, m, heads * head, type);
  std::vector<float> c(static_cast<size_t>(m) * half), s(c.size());
  for (int i = 0; i < m * half; i++) {
    c[i] = static_cast<float>(std::cos(angle.at(i / half, i % half)));
    s[i] = static_cast<float>(std::sin(angle.at(i / half, i % half)));
  }
  for (const float sign : {1.0f, -1.0f}) {
    Guarded y(type, m, heads * head);
    y.copy(x, m);
    set.rope(y.view(), {head, dim, interleaved, c.data(), s.data()}, sign, m / 3, m);
    report.need(y.only(0, m), name + " writes outside");
    auto worst = report.of(name, type);
    for (int i = 0; i < m; i++)
      for (int h = 0; h < heads; h++) {
        for (int j = 0; j < half; j++) {
          const int p = h * head + (interleaved ? 2 * j : j), q = h * head + (interleaved ? 2 * j + 1 : j + half);
          const double co = i < m / 3 ? 1 : c[i * half + j], si = i < m / 3 ? 0 : sign * s[i * half + j];
          const double a = x.at(i, p), b = x.at(i, q);
          worst.add(y.at(i, p), a * co - b * si, std::fabs(a * co) + std::fabs(b * si));
          worst.add(y.at(i, q), b * co + a * si, std::fabs(b * co) + std::fabs(a * si));
        }
        for (int j = dim; j < head; j++)
          report.need(y.at(i, h * head + j) == x.at(i, h * head + j), name + " turns dimensions that stay");
      }
  }
}

void check_simple(
    const KernelSet& set, Random& random, int m, int n, Dtype type, const std::string& kind, Report& report) {
  const Operand x(random, m, n, Dtype::F32), act(random, m, n, type), b(random, 1, n, Dtype::F32);
  const Guarded to(type, m, n), from(Dtype::F32, m, n);
  in_pieces(report, "convert" + kind, m, {&to}, [&](int t0, int t1) { set.convert(x.view(), to.view(), t0, t1); });
  in_pieces(
      report, "convert back" + kind, m, {&from}, [&](int t0, int t1) { set.convert(act.view(), from.view(), t0, t1); });
  Guarded sum(type, m, n);
  sum.copy(act, m);
  set.add_bias(sum.view(), static_cast<const float*>(b.view().data), 0, m);
  report.need(sum.only(0, m), "bias" + kind + " writes outside");
  auto bias = report.of("bias" + kind, type);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      const float value = static_cast<float>(x.at(i, j));
      report.need(to.at(i, j) == (type == Dtype::F32 ? value : widen(narrow(value))), "convert" + kind + " is inexact");
      report.need(from.at(i, j) == act.at(i, j), "convert back" + kind + " is inexact");
      bias.add(sum.at(i, j), act.at(i, j) + b.at(0, j), std::fabs(act.at(i, j)) + std::fabs(b.at(0, j)));
    }
}

}  // namespace

void check_rows(const KernelSet& set, Random& random, int m, int n, Report& report) {
  check_norm_oracle(random, n, report);
  for (const Dtype type : {Dtype::F32, Dtype::BF16}) {
    const std::string kind = type == Dtype::F32 ? "" : " bf16";
    check_norm(set, random, m, n, type, kind, report);
    check_glu(set, random, m, n, Activation::Silu, type, "swiglu" + kind, report);
    check_glu(set, random, m, n, Activation::GeluTanh, type, "geglu" + kind, report);
    check_simple(set, random, m, n, type, kind, report);
    for (const bool interleaved : {false, true})
      check_rope(set, random, m, type, interleaved, (interleaved ? "rope interleaved" : "rope half") + kind, report);
  }
}

}  // namespace ft
