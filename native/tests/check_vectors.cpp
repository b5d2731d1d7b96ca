// The loss over tiles of the vocabulary, the optimizer, and quantising.
#include "check.h"

namespace ft {

void check_softmax(const KernelSet& set, Random& random, int m, int n, Dtype type, float cap, const std::string& name,
    Report& report) {
  const int tiles = 3, padded = round_up(n, kColPad);
  std::vector<Operand> logits;
  for (int i = 0; i < tiles; i++) logits.emplace_back(random, m, n, Dtype::F32);
  const Guarded stats(Dtype::F32, 4, m);  // max, sum, target logit, rescale
  float* stat[4];
  for (int i = 0; i < 4; i++) stat[i] = static_cast<float*>(stats.view().from(i).data);
  std::fill(stat[0], stat[0] + m, -INFINITY);
  std::fill(stat[1], stat[1] + m, 0.0f);
  std::fill(stat[2], stat[2] + m, 0.0f);
  std::fill(stat[3], stat[3] + m, 1.0f);
  std::vector<int32_t> target(m);
  for (int i = 0; i < m; i++) target[i] = static_cast<int32_t>(random.next() % (tiles * n));
  std::vector<double> top(m, -INFINITY), sum(m, 0);
  auto logit = [&](int v, int i, int j) {
    const double x = logits[v].at(i, j);
    return cap > 0 ? cap * std::tanh(x / cap) : x;
  };
  auto worst = report.of(name, type);
  for (int v = 0; v < tiles; v++) {
    const Guarded p(type, m, n);
    for (const auto& [from, to] : {std::pair(0, m / 3), std::pair(m / 3, m)}) {
      set.softmax_tile(
          logits[v].view(), cap, v * n, target.data(), stat[0], stat[1], stat[2], p.view(), stat[3], from, to);
      report.need(p.only(0, to, 0, padded), name + " writes outside");
    }
    report.need(stats.only(0, 4), name + " writes outside");
    for (int i = 0; i < m; i++) {
      const double before = top[i];
      for (int j = 0; j < n; j++) top[i] = std::max(top[i], logit(v, i, j));
      const double factor = std::exp(before - top[i]);
      worst.add(stat[3][i], factor, std::max(1e-30, factor * (1 + top[i] - std::max(before, -1e3))));
      sum[i] *= factor;
      for (int j = 0; j < n; j++) {
        const double l = logit(v, i, j), e = std::exp(l - top[i]), slope = cap > 0 ? 1 - l * l / (cap * cap) : 1;
        sum[i] += e;
        worst.add(p.at(i, j), e * slope, e * (1 + cap + top[i] - l));
      }
      for (int j = n; j < padded; j++) report.need(p.at(i, j) == 0, name + " leaves columns behind the end");
      if (cap > 0) report.of(name).add(stat[0][i], top[i], cap);
      else report.need(stat[0][i] == static_cast<float>(top[i]), name + " has another maximum");
      report.of(name).add(stat[1][i], sum[i], sum[i] * (1 + cap));
    }
  }
  for (int i = 0; i < m; i++) {
    const double wanted = logit(target[i] / n, i, target[i] % n);
    if (cap > 0) report.of(name).add(stat[2][i], wanted, cap);
    else report.need(stat[2][i] == static_cast<float>(wanted), name + " misses the target");
  }
}

void check_adamw(const KernelSet& set, Random& random, int n, Report& report) {
  const Operand theta(random, 1, n, Dtype::F32), g(random, 1, n, Dtype::F32);
  const AdamW o{0.5f, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.19f, 0.001999f};
  for (const bool masked : {false, true}) {
    Guarded t(Dtype::F32, 1, n), m(Dtype::F32, 1, n), v(Dtype::F32, 1, n);
    t.copy(theta, 1);
    auto floats = [](const Guarded& x) { return static_cast<float*>(x.view().data); };
    std::fill(floats(m), floats(m) + n, 0.25f);
    std::fill(floats(v), floats(v) + n, 0.5f);
    std::vector<uint8_t> mask(n);
    for (auto& bit : mask) bit = random.next() % 3 != 0;
    set.adamw(o, floats(t), static_cast<const float*>(g.view().data), masked ? mask.data() : nullptr, floats(m),
        floats(v), n);
    for (const Guarded* x : {&t, &m, &v}) report.need(x->only(0, 1), "adamw writes outside");
    auto worst = report.of("adamw");
    for (int i = 0; i < n; i++) {
      const double x = 0.5 * g.at(0, i), old = theta.at(0, i);
      const bool on = !masked || mask[i];
      const double mm = on ? 0.9 * 0.25 + 0.1 * x : 0.25, vv = on ? 0.999 * 0.5 + 0.001 * x * x : 0.5;
      const double step = 0.01 / 0.19 * mm / (std::sqrt(vv / 0.001999) + 1e-8);
      worst.add(t.at(0, i), on ? old * (1 - 0.01 * 0.1) - step : old, std::fabs(old) + std::fabs(step));
      worst.add(m.at(0, i), mm, 0.25 + std::fabs(x));
      worst.add(v.at(0, i), vv, 0.5 + x * x);
      report.need(on || (t.at(0, i) == old && m.at(0, i) == 0.25 && v.at(0, i) == 0.5), "adamw moves what is masked");
    }
  }
}

// Every value comes back within half a step of its group of 32.
void check_quantize(const KernelSet& set, Random& random, int m, int n, Report& report) {
  const Operand x(random, m, n, Dtype::F32);
  const int ld = round_up(n, kGroup), groups = ld / kGroup;
  for (const bool levels : {false, true}) {
    // int8 has no Guarded view: rows of bytes in a view of bf16 that is half as wide
    const Guarded values(Dtype::BF16, m, ld / 2, ld / 2), scales(Dtype::F32, m, groups, groups);
    set.quantize_rows(
        x.view(), m, levels, {Dtype::Q8, n, ld, values.view().data, static_cast<float*>(scales.view().data)});
    report.need(values.only(0, m) && scales.only(0, m), "quantize writes outside");
    const auto* q = static_cast<const int8_t*>(values.view().data);
    auto worst = report.of(levels ? "quantize levels" : "quantize");
    for (int i = 0; i < m; i++)
      for (int j = 0; j < ld; j++) {
        double most = 0;
        for (int l = j / kGroup * kGroup; l < std::min(n, j / kGroup * kGroup + kGroup); l++)
          most = std::max(most, std::fabs(x.at(i, l)));
        if (j >= n) report.need(q[i * ld + j] == 0, "quantize leaves columns behind the end");
        else worst.add(q[i * ld + j] * scales.at(i, j / kGroup), x.at(i, j), most);
      }
  }
}

namespace {

// f32 rows through 4 bits and back.
std::vector<float> through_q4(const KernelSet& set, const View& x, int m, bool levels, Report& report) {
  const int n = x.cols, ld = round_up(n, kGroup), groups = ld / kGroup;
  // bytes in views of bf16, as above
  const Guarded packed(Dtype::BF16, m, ld / 4, ld / 4), about(Dtype::F32, m, groups, groups);
  const Guarded values(Dtype::BF16, m, ld / 2, ld / 2), scales(Dtype::F32, m, groups, groups);
  const View q4{Dtype::Q4, n, ld, packed.view().data, static_cast<float*>(about.view().data)};
  const View q8{Dtype::Q8, n, ld, values.view().data, static_cast<float*>(scales.view().data)};
  set.quantize_rows(x, m, levels, q4);
  const int from = m / 3;
  set.unpack_rows(q4, q8, from, m);
  report.need(values.only(from, m) && scales.only(from, m), "unpack writes outside its rows");
  set.unpack_rows(q4, q8, 0, from);
  report.need(packed.only(0, m) && about.only(0, m), "quantize q4 writes outside");
  const auto* q = static_cast<const int8_t*>(q8.data);
  std::vector<float> out(static_cast<size_t>(m) * ld);
  for (int i = 0; i < m * ld; i++) {
    out[i] = q[i] * q8.scale[i / kGroup];
    if (i % ld >= n) report.need(q[i] == 0, "unpack leaves columns behind the end");
  }
  return out;
}

}  // namespace

// The error of a group in the mean of squares is at most half a step of 15 from its least to its greatest value, and
// what int8 rounds; groups of at most 16 even levels keep them up to what int8 rounds.
void check_q4(const KernelSet& set, Random& random, int m, int n, Report& report) {
  const Operand x(random, m, n, Dtype::F32);
  const int ld = round_up(n, kGroup);
  const std::vector<float> once = through_q4(set, x.view(), m, false, report);
  const View levels{Dtype::F32, n, ld, const_cast<float*>(once.data())};
  const std::vector<float> twice = through_q4(set, levels, m, true, report);
  auto worst = report.of("q4"), again = report.of("q4 levels");
  for (int i = 0; i < m; i++)
    for (int k = 0; k < n; k += kGroup) {
      const int count = std::min(kGroup, n - k);
      double low = INFINITY, high = -INFINITY, most = 0, square = 0;
      for (int j = k; j < k + count; j++) {
        low = std::min(low, x.at(i, j));
        high = std::max(high, x.at(i, j));
        most = std::max(most, std::fabs(x.at(i, j)));
        square += std::pow(once[i * ld + j] - x.at(i, j), 2);
      }
      worst.add(std::sqrt(square / count), 0, (high - low) / 30 + most / 127);
      for (int j = k; j < k + count; j++) again.add(twice[i * ld + j], once[i * ld + j], most);
    }
}

}  // namespace ft
