#include "linear.h"

#include <algorithm>

#include "transpose.h"

namespace ft {

namespace {

// splitmix64's finaliser as a counter-based generator: one number a (seed, position).
inline uint32_t hash(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 32);
}

// The modules of a group share one mask.
struct DropMask {
  uint64_t key;
  uint32_t below;
  float keep;
  DropMask(const Dropout& d, int index)
      : key((static_cast<uint64_t>(d.seed) << 32) ^ (static_cast<uint64_t>(index + 1) << 48)),
        below(static_cast<uint32_t>(d.rate * 4294967295.0)),
        keep(1.0f / (1.0f - d.rate)) {}
  float operator()(int64_t i) const { return hash(key + static_cast<uint64_t>(i)) < below ? 0.0f : keep; }
};

// fn(row, column, count, values) on pieces of the rows of x as f32; what it leaves in `values` goes to y.
template <class Fn>
void map_rows(const Pass& p, const View& x, const View& y, const Fn& fn) {
  constexpr int kPiece = 256;
  p.run.rows("dropout", p.plan.t, [&](int t0, int t1) {
    float values[kPiece];
    for (int t = t0; t < t1; t++)
      for (int c = 0; c < x.cols; c += kPiece) {
        const int n = std::min(kPiece, x.cols - c);
        const View piece{Dtype::F32, n, n, values};
        p.run.k.convert(x.from(t).columns(c, n), piece, 0, 1);
        fn(t, c, n, values);
        p.run.k.convert(piece, y.from(t).columns(c, n), 0, 1);
      }
  });
}

}  // namespace

// The first `rank` columns of rows as wide as the group's rank needs.
View Linear::rank_columns(const Tensor& t) const {
  return {g_.type, g_.rank, round_up(g_.rank, kColPad), t.memory.data()};
}

// x as the adapter sees it.
View Linear::dropped(const Pass& p, const View& x) const {
  if (p.drop.rate == 0) return x;
  const View out = p.plan.xd.view.columns(0, x.cols);
  const DropMask mask(p.drop, index_);
  map_rows(p, x, out, [&](int t, int c, int n, float* v) {
    for (int i = 0; i < n; i++) v[i] *= mask(static_cast<int64_t>(t) * x.cols + c + i);
  });
  return out;
}

void Linear::forward(const Pass& p, const View& x, const Tensor& h, const View& y, bool add) const {
  Gemm main;
  main.m = p.plan.t;
  main.n = w_.n;
  main.seg[0] = {x, w_.view, true};
  main.c = y;
  main.accumulate = add;
  main.fine = fine_;
  if (p.adapter && !g_.empty()) {
    Gemm thin;
    thin.m = p.plan.t;
    thin.n = g_.rank;
    thin.seg[0] = {dropped(p, x), g_.a_view(), true};
    thin.c = rank_columns(h);
    p.run.gemm("lora", thin);
    main.seg[1] = {thin.c, g_.b_view(), true};
    main.segments = 2;
  }
  p.run.gemm(name_, main);
  if (!w_.bias.empty())
    p.run.rows("bias", p.plan.t, [&](int t0, int t1) { p.run.k.add_bias(y, w_.bias.data(), t0, t1); });
}

// u = dy (s B); dx = dy W + u A
void Linear::backward(const Pass& p, const View& dy, const View& dx) const {
  const View u = rank_columns(p.plan.u);
  if (!g_.empty()) {
    Gemm thin;
    thin.m = p.plan.t;
    thin.n = g_.rank;
    thin.seg[0] = {dy, g_.b_view(), false};
    thin.c = u;
    p.run.gemm("lora", thin);
  }
  if (!below) return;
  Gemm main;
  main.m = p.plan.t;
  main.n = w_.k;
  main.seg[0] = {dy, w_.view, false};
  main.c = dx;
  const bool dropped = p.drop.rate > 0;
  if (!g_.empty() && !dropped) {
    main.seg[1] = {u, g_.a_view(), false};
    main.segments = 2;
  }
  p.run.gemm(back_name_, main);
  if (!g_.empty() && dropped) add_dropped(p, u, dx);
}

// dx += mask * (u A): the part of the input's gradient that came through dropped inputs.
void Linear::add_dropped(const Pass& p, const View& u, const View& dx) const {
  Gemm part;
  part.m = p.plan.t;
  part.n = g_.k;
  part.seg[0] = {u, g_.a_view(), false};
  part.c = {Dtype::F32, g_.k, g_.k, p.plan.du.memory.data()};
  p.run.gemm("lora", part);
  const DropMask mask(p.drop, index_);
  map_rows(p, dx, dx, [&](int t, int c, int n, float* v) {
    const int64_t at = static_cast<int64_t>(t) * g_.k + c;
    const float* more = p.plan.du.as<float>() + at;
    for (int i = 0; i < n; i++) v[i] += more[i] * mask(at + i);
  });
}

// dA = u^T dropout(x); d(s B)^T = h^T dy; u is what backward left.
void Linear::adapt(const Pass& p, const View& dy, const View& x, const Tensor& h) const {
  if (g_.empty()) return;
  Plan& plan = p.plan;
  const View in = dropped(p, x);
  auto turned = [&](const Tensor& from, const Tensor& to) {
    const View rows = rank_columns(from), out{g_.type, plan.t, to.view.ld, to.memory.data()};
    p.run.rows("lora", (plan.t + 7) / 8, [&](int b0, int b1) {
      transpose_rows(rows.type, rows.data, rows.ld, rows.cols, out.data, out.ld, b0 * 8, std::min(plan.t, b1 * 8));
    });
    return out;
  };
  const View ut = turned(plan.u, plan.ut), ht = turned(h, plan.ht);
  // Sums over the tokens: to (rank x n) = left (rank x t) right (t x n).
  auto product = [&](const View& left, const View& right, int n, const Tensor& to) {
    Gemm gemm;
    gemm.m = g_.rank;
    gemm.n = n;
    gemm.seg[0] = {left, right, false};
    gemm.c = {Dtype::F32, n, n, to.memory.data()};
    p.run.gemm("lora", gemm);
  };
  product(ut, in, g_.k, plan.da);
  product(ht, dy, g_.n, plan.dbt);
  add_gradient(p);
}

void Linear::add_gradient(const Pass& p) const {
  for (const auto& m : g_.modules) {
    const float* dbt = p.plan.dbt.as<float>() + static_cast<int64_t>(m.group_col) * g_.n + m.group_row;
    const float* da = p.plan.da.as<float>() + static_cast<int64_t>(m.group_col) * m.in;
    float *a = p.gradient + m.offset_a, *b = p.gradient + m.offset_b;
    p.run.rows("lora", m.out, [&](int o0, int o1) {
      for (int o = o0; o < o1; o++)
        for (int r = 0; r < m.rank; r++)
          b[static_cast<int64_t>(o) * m.rank + r] += m.scale * dbt[static_cast<int64_t>(r) * g_.n + o];
      // A along with it, cut at the same fractions
      const int64_t size = static_cast<int64_t>(m.rank) * m.in;
      for (int64_t i = size * o0 / m.out, e = size * o1 / m.out; i < e; i++) a[i] += da[i];
    });
  }
}

}  // namespace ft
