// Products of the given kinds of operands, in all ways that the engine uses them.
#include "check.h"

namespace ft {

namespace {

// One term: where operands are rounded to 8 bits along the depth, the largest of its group of 32 says how far.
struct Term {
  const Operand &a, &b;
  int k;
  bool trans, rounded;

  double b_at(int l, int j) const { return trans ? b.at(j, l) : b.at(l, j); }
  // Adds what the term gives for element (i, j), and the scale of its error: the sum of absolute products; rounded, the
  // root of the sum of squares, as the roundings of the products do not depend on each other.
  void add(int i, int j, double& sum, double& absolute, double& square) const {
    for (int g = 0; g < k; g += kGroup) {
      const int end = std::min(k, g + kGroup);
      double a_most = 0, b_most = 0;
      for (int l = g; l < end; l++) {
        a_most = std::max(a_most, std::fabs(a.at(i, l)));
        b_most = std::max(b_most, std::fabs(b_at(l, j)));
      }
      for (int l = g; l < end; l++) {
        const double x = a.at(i, l), y = b_at(l, j);
        sum += x * y;
        absolute += std::fabs(x * y);
        if (rounded) square += a_most * a_most * y * y + x * x * b_most * b_most;
      }
    }
  }
};

}  // namespace

void check_gemm(const KernelSet& set, Random& random, int m, int n, int k, Dtype a_type, Dtype b_type, bool trans,
    const std::string& name, Report& report) {
  const int k2 = 24;  // the second segment: LoRA's thin product
  const Operand a(random, m, k, a_type), a2(random, m, k2, a_type);
  const Operand b(random, trans ? n : k, trans ? k : n, b_type), b2(random, trans ? n : k2, trans ? k2 : n, a_type);
  const bool rounded = a_type == Dtype::BF16;
  for (const bool two : {false, true}) {
    std::vector<double> want(static_cast<size_t>(m) * n), scale(want.size());
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++) {
        double sum = 0, absolute = 0, square = 0;
        Term{a, b, k, trans, rounded}.add(i, j, sum, absolute, square);
        if (two) Term{a2, b2, k2, trans, rounded}.add(i, j, sum, absolute, square);
        want[static_cast<size_t>(i) * n + j] = sum;
        scale[static_cast<size_t>(i) * n + j] = rounded ? std::sqrt(square) : absolute;
      }
    Gemm g;
    g.m = m;
    g.n = n;
    g.seg[0] = {a.view(), b.view(), trans};
    g.seg[1] = {a2.view(), b2.view(), trans};
    g.segments = two ? 2 : 1;
    const auto run = [&](const Guarded& c, const std::string& what, bool pieces, double times) {
      g.c = c.view();
      const Buffer memory(set.gemm_scratch(g));
      Scratch scratch{memory.data(), memory.size()};
      const GemmCut step = pieces ? set.gemm_cut(g) : GemmCut{m, n};
      const Buffer packed(set.gemm_packed(g));
      for (int i = 0; i < m; i += step.m_step) set.gemm_pack(g, i, std::min(m, i + step.m_step), packed.data());
      for (int i = 0; i < m; i += step.m_step)
        for (int j = 0; j < n; j += step.n_step) {
          set.gemm(g, packed.data(), i, std::min(m, i + step.m_step), j, std::min(n, j + step.n_step), scratch);
          // rows and columns that come later are untouched yet
          if (i == 0 && times == 1)
            report.need(c.only(0, std::min(m, step.m_step), 0, std::min(n, j + step.n_step)), what + " writes outside");
        }
      report.need(c.only(0, m), what + " writes outside");
      auto worst = report.of(what, g.c.type);
      for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
          const size_t at = static_cast<size_t>(i) * n + j;
          worst.add(c.at(i, j) / times, want[at], scale[at]);
        }
    };
    const Guarded whole(Dtype::F32, m, n, n + 3), cut(Dtype::F32, m, n, n + 3);
    run(whole, name, false, 1);
    run(cut, name, true, 1);
    report.need(whole.same(cut), name + " in pieces differs");
    g.accumulate = true;
    run(cut, name, true, 2);
    g.accumulate = false;
    if (a_type == Dtype::F32) continue;
    g.fine = true;
    run(Guarded(Dtype::F32, m, n, n + 3), "fine " + name, true, 1);
    g.fine = false;
    run(Guarded(Dtype::BF16, m, n, n + 3), name + " to bf16", true, 1);
  }
}

}  // namespace ft
