#include "kernel_task.h"

#include <deque>

#include "../tests/check_data.h"
#include "../engine/memory.h"

namespace ft {

namespace {

struct Data {
  std::deque<Operand> operands;
  std::deque<Buffer> buffers;
  Buffer& room(size_t bytes) { return buffers.emplace_back(bytes); }
};

KernelTask gemm_task(const KernelSet& set, const std::string& kind, int m, int n, int k, bool naive) {
  const bool q8 = kind.find("q8") != std::string::npos, trans = kind.find("nt") != std::string::npos;
  auto data = std::make_shared<Data>();
  Random random(1);
  const Operand& a = data->operands.emplace_back(random, m, k, q8 ? Dtype::BF16 : Dtype::F32);
  const Operand& b = data->operands.emplace_back(random, trans ? n : k, trans ? k : n, q8 ? Dtype::Q8 : Dtype::F32);
  Gemm g;
  g.m = m;
  g.n = n;
  g.seg[0] = {a.view(), b.view(), trans};
  g.c = {Dtype::F32, n, n, data->room(sizeof(float) * m * n).data()};
  Buffer &packed = data->room(set.gemm_packed(g)), &memory = data->room(set.gemm_scratch(g));
  KernelTask task;
  task.operations = 2.0 * m * n * k;
  if (naive)
    task.run = [data, g] {
      const Operand &x = data->operands[0], &w = data->operands[1];
      auto* c = static_cast<float*>(g.c.data);
      for (int i = 0; i < g.m; i++)
        for (int j = 0; j < g.n; j++) {
          float sum = 0;
          for (int l = 0; l < g.seg[0].a.cols; l++)
            sum += static_cast<float>(x.at(i, l)) * static_cast<float>(g.seg[0].trans ? w.at(j, l) : w.at(l, j));
          c[static_cast<int64_t>(i) * g.n + j] = sum;
        }
    };
  else
    task.run = [data, g, &set, &packed, &memory] {
      Scratch scratch{memory.data(), memory.size()};
      set.gemm_pack(g, 0, g.m, packed.data());
      set.gemm(g, packed.data(), 0, g.m, 0, g.n, scratch);
    };
  return task;
}

// One kv head with three query heads, as SmolLM2 has.
KernelTask attention_task(const KernelSet& set, bool back, int len, int dim) {
  constexpr int kHeads = 3;
  auto data = std::make_shared<Data>();
  Random random(1);
  const Operand& qkv = data->operands.emplace_back(random, len, (kHeads + 2) * dim, Dtype::BF16);
  const Operand& dout = data->operands.emplace_back(random, len, kHeads * dim, Dtype::BF16);
  Attention a{};
  a.heads = kHeads;
  a.kv_heads = 1;
  a.head_dim = dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  auto room = [&](const View& like) {
    View v = like;
    v.data = data->room(size_of(v.type) * round_up(len, kRowPad) * v.ld).data();
    return v;
  };
  auto heads = [&](const View& all, View& q, View& k, View& v) {
    q = all.columns(0, kHeads * dim);
    k = all.columns(kHeads * dim, dim);
    v = all.columns((kHeads + 1) * dim, dim);
  };
  heads(qkv.view(), a.q, a.k, a.v);
  a.dout = dout.view();
  a.out = room(a.dout);
  a.lse = data->room(sizeof(float) * kHeads * len).as<float>();
  a.ld_lse = len;
  heads(room(qkv.view()), a.dq, a.dk, a.dv);
  Buffer& memory = data->room(set.attention_scratch(a, len));
  Scratch scratch{memory.data(), memory.size()};
  set.attention_fwd(a, 0, len, 0, scratch);
  KernelTask task;
  task.operations = (back ? 5.0 : 2.0) * kHeads * len * (len + 1) * dim;
  task.run = [data, a, len, back, &set, scratch]() mutable {
    (back ? set.attention_bwd : set.attention_fwd)(a, 0, len, 0, scratch);
  };
  return task;
}

KernelTask rows_task(const KernelSet& set, const std::string& kind, int m, int n) {
  auto data = std::make_shared<Data>();
  Random random(1);
  const Operand& wide = data->operands.emplace_back(random, m, 2 * n, Dtype::BF16);
  const Operand& x = data->operands.emplace_back(random, m, n, Dtype::F32);
  const Operand& half = data->operands.emplace_back(random, m, n, Dtype::BF16);
  auto room = [&](const View& like) {
    View v = like;
    v.data = data->room(size_of(v.type) * m * v.ld).data();
    return v;
  };
  const View xs = x.view(), gate_up = wide.view(), dout = half.view(), out = room(dout), wide_out = room(gate_up);
  const auto* weight = static_cast<const float*>(xs.data);
  float* stat = data->room(sizeof(float) * 4 * m).as<float>();
  const KernelSet* s = &set;
  KernelTask task;
  if (kind == "rmsnorm") {
    task.bytes = 6.0 * m * n;
    task.run = [=, keep = data] { s->rmsnorm_fwd(xs, weight, 1e-5f, out, stat, 0, m); };
  } else if (kind == "swiglu") {
    task.bytes = 6.0 * m * n;
    task.run = [=, keep = data] { s->glu_fwd(Activation::Silu, gate_up, out, 0, m); };
  } else if (kind == "swiglu back") {
    task.bytes = 12.0 * m * n;
    task.run = [=, keep = data] { s->glu_bwd(Activation::Silu, gate_up, dout, wide_out, out, 0, m); };
  } else if (kind == "softmax") {
    auto* target = data->room(sizeof(int32_t) * m).as<int32_t>();
    task.bytes = 6.0 * m * n;
    task.run = [=, keep = data] {
      for (int i = 0; i < m; i++) stat[i] = -INFINITY, stat[m + i] = 0;
      s->softmax_tile(xs, 0, 0, target, stat, stat + m, stat + 2 * m, out, stat + 3 * m, 0, m);
    };
  } else {
    throw Error("BAD_ARGUMENT", "Unknown kernel \"" + kind + "\".");
  }
  return task;
}

}  // namespace

KernelTask make_kernel_task(const KernelSet& set, const std::string& kind, int m, int n, int k, bool naive) {
  if (kind.rfind("gemm ", 0) == 0) return gemm_task(set, kind, m, n, k, naive);
  if (naive) throw Error("BAD_ARGUMENT", "Only products have a naive form.");
  if (kind == "attention" || kind == "attention back") return attention_task(set, kind == "attention back", m, k);
  return rows_task(set, kind, m, n);
}

}  // namespace ft
