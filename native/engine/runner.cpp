#include "runner.h"

namespace ft {

void Runner::grow(size_t bytes) {
  for (auto& s : scratch_)
    if (s.size() < bytes) s = Buffer(bytes);
}

size_t Runner::bytes() const {
  size_t n = packed_.size() + head_sums_.size() + unpacked_.size() + unpacked_scales_.size();
  for (const auto& s : scratch_) n += s.size();
  return n;
}

void Runner::gemm(const char* name, const Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  Timer timer(profile_, name);
  Gemm plain = g;
  Segment& s = plain.seg[0];
  if (s.b.type == Dtype::Q4) s.b = unpacked(s.b, s.trans ? g.n : s.a.cols);
  product(plain);
}

// All of it before the product: packing 4 bits by itself would take kernels of its own in every set.
View Runner::unpacked(const View& w, int rows) {
  const size_t values = static_cast<size_t>(rows) * w.ld, scales = values / kGroup * sizeof(float);
  if (unpacked_.size() < values) unpacked_ = Buffer(values);
  if (unpacked_scales_.size() < scales) unpacked_scales_ = Buffer(scales);
  const View out{Dtype::Q8, w.cols, w.ld, unpacked_.data(), unpacked_scales_.as<float>()};
  const int parts = std::min(rows, pool_.threads());
  tasks(parts, [&](int i, int) { k.unpack_rows(w, out, part(rows, i, parts), part(rows, i + 1, parts)); });
  return out;
}

void Runner::product(const Gemm& g) {
  grow(k.gemm_scratch(g));
  const GemmCut cut = k.gemm_cut(g);
  const int threads = pool_.threads();
  const int nb = (g.n + cut.n_step - 1) / cut.n_step, mb = (g.m + cut.m_step - 1) / cut.m_step;
  const size_t bytes = k.gemm_packed(g);
  if (packed_.size() < bytes) packed_ = Buffer(bytes);
  if (bytes > 0) {
    const int parts = std::min(mb, threads);
    tasks(parts, [&](int i, int) {
      k.gemm_pack(
          g, part(mb, i, parts) * cut.m_step, std::min(g.m, part(mb, i + 1, parts) * cut.m_step), packed_.data());
    });
  }
  // Cut along n, where every part packs its own columns of B and reads all of A: a part a thread, or A would come from
  // memory again and again (4 times as many cost 6 % of a step). A thin product is cut along m.
  const bool by_n = nb >= 2 * threads || nb >= mb;
  const int blocks = by_n ? nb : mb, step = by_n ? cut.n_step : cut.m_step;
  const int parts = std::min(blocks, threads);
  tasks(parts, [&](int i, int thread) {
    Scratch s{scratch_[thread].data(), scratch_[thread].size()};
    const int low = part(blocks, i, parts) * step;
    const int high = std::min(by_n ? g.n : g.m, part(blocks, i + 1, parts) * step);
    if (low >= high) return;
    if (by_n) k.gemm(g, packed_.data(), 0, g.m, low, high, s);
    else k.gemm(g, packed_.data(), low, high, 0, g.n, s);
  });
}

namespace {

// Query heads h .. h + count, which share a kv head.
Attention of_heads(const Attention& a, int h, int count) {
  const int d = a.head_dim, kv = h / (a.heads / a.kv_heads);
  Attention part = a;
  part.heads = count;
  part.kv_heads = 1;
  const auto cut = [](View& x, int column, int columns) {
    if (x.data) x = x.columns(column, columns);  // forward has no gradients
  };
  for (View* x : {&part.q, &part.out, &part.dout, &part.dq}) cut(*x, h * d, count * d);
  for (View* x : {&part.k, &part.v, &part.dk, &part.dv}) cut(*x, kv * d, d);
  part.lse = a.lse + h * a.ld_lse;
  return part;
}

// dk (which = 0) or dv (1) of a query head in the sums of `tokens` rows.
View head_sum(const Buffer& sums, int head_dim, int64_t tokens, int h, int which) {
  return {Dtype::F32, head_dim, head_dim, sums.as<float>() + (2 * h + which) * tokens * head_dim};
}

}  // namespace

void Runner::attention(const char* name, const Attention& a, const std::vector<Sequence>& sequences, bool backward) {
  Timer timer(profile_, name);
  const int group = a.heads / a.kv_heads;
  struct Part {
    Sequence of;
    int head, count;
  };
  std::vector<Part> parts;
  int longest = 0, tokens = 0;
  for (const auto& s : sequences) {
    longest = std::max(longest, s.length);
    tokens = std::max(tokens, s.first + s.length);
    const int count = s.length > kLong ? 1 : group;
    for (int h = 0; h < a.heads; h += count) parts.push_back({s, h, count});
  }
  const bool sums = backward && longest > kLong && group > 1;
  const size_t bytes = sums ? sizeof(float) * 2 * a.heads * static_cast<size_t>(tokens) * a.head_dim : 0;
  if (head_sums_.size() < bytes) head_sums_ = Buffer(bytes);
  grow(k.attention_scratch(of_heads(a, 0, group), longest));
  tasks(static_cast<int>(parts.size()), [&](int i, int thread) {
    Scratch scratch{scratch_[thread].data(), scratch_[thread].size()};
    const Part& p = parts[i];
    Attention part = of_heads(a, p.head, p.count);
    if (sums && p.count < group) {
      part.dk = head_sum(head_sums_, a.head_dim, tokens, p.head, 0);
      part.dv = head_sum(head_sums_, a.head_dim, tokens, p.head, 1);
    }
    (backward ? k.attention_bwd : k.attention_fwd)(part, p.of.first, p.of.length, 0, scratch);
  });
  for (const auto& s : sequences)
    if (sums && s.length > kLong) add_heads(a, s, tokens);
}

// dk and dv of a kv head from those of its query heads, in their order.
void Runner::add_heads(const Attention& a, const Sequence& s, int tokens) {
  const int group = a.heads / a.kv_heads, d = a.head_dim, parts = 4 * pool_.threads();
  tasks(2 * a.kv_heads * parts, [&](int i, int) {
    const int which = i % 2, kv = i / 2 % a.kv_heads, piece = i / 2 / a.kv_heads;
    const int t0 = s.first + part(s.length, piece, parts), t1 = s.first + part(s.length, piece + 1, parts);
    const View first = head_sum(head_sums_, d, tokens, kv * group, which);
    for (int h = 1; h < group; h++) {
      const View other = head_sum(head_sums_, d, tokens, kv * group + h, which);
      float* to = static_cast<float*>(first.from(t0).data);
      const float* from = static_cast<const float*>(other.from(t0).data);
      for (int64_t j = 0; j < static_cast<int64_t>(t1 - t0) * d; j++) to[j] += from[j];
    }
    k.convert(first, (which == 0 ? a.dk : a.dv).columns(kv * d, d), t0, t1);
  });
}

}  // namespace ft
