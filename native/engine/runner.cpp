#include "runner.h"

namespace ft {

void Runner::grow(size_t bytes) {
  for (auto& s : scratch_)
    if (s.size() < bytes) s = Buffer(bytes);
}

size_t Runner::bytes() const {
  size_t n = packed_.size() + unpacked_.size() + unpacked_scales_.size();
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
  // memory again and again. A thin product is cut along m.
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

void Runner::attention(const char* name, const Attention& a, const std::vector<Sequence>& sequences, bool backward) {
  Timer timer(profile_, name);
  int longest = 0;
  for (const auto& s : sequences) longest = std::max(longest, s.length);
  grow(k.attention_scratch(a, longest));
  tasks(static_cast<int>(sequences.size()) * a.kv_heads, [&](int i, int thread) {
    Scratch scratch{scratch_[thread].data(), scratch_[thread].size()};
    const Sequence& s = sequences[i / a.kv_heads];
    (backward ? k.attention_bwd : k.attention_fwd)(a, s.first, s.length, i % a.kv_heads, scratch);
  });
}

}  // namespace ft
