#include "model.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <mutex>

#include "error.h"
#include "ggml_reader.h"
#include "pool.h"

namespace ft {

namespace {

std::string shape(const std::vector<int64_t>& ne) {
  std::string s = "[";
  for (size_t i = 0; i < ne.size(); i++) s += (i ? ", " : "") + std::to_string(ne[i]);
  return s + "]";
}

// Reads tensors of one model, checked against the files.
class Loader {
 public:
  Loader(Base& base, const std::string& ggml, const std::vector<MappedFile>& files)
      : base_(base), ggml_(GgmlReader::open(ggml)), files_(files), pool_(std::min(8, Pool::most_threads())) {
    for (const auto& t : base.desc.tensors) byName_[t.name] = &t;
  }

  const TensorSource* find(const std::string& name) const {
    auto it = byName_.find(name);
    return it == byName_.end() ? nullptr : it->second;
  }

  std::vector<float> vector(const std::string& name, int size, bool optional = false) {
    const TensorSource* t = find(name);
    if (!t && optional) return {};
    std::vector<float> out(size);
    ggml_.dequantize(need(name, {size}).type, bytes(*t), out.data(), size);
    for (float x : out)
      if (!std::isfinite(x)) throw Error("NON_FINITE", "Tensor " + name + " holds NaN or infinity.");
    return out;
  }

  // Stacks the named matrices [n_i, k] row after row.
  Weight matrix(const std::vector<std::pair<std::string, int>>& parts, int k) {
    Weight w;
    w.k = k;
    for (const auto& p : parts) w.n += p.second;
    const Dtype type = base_.int8 ? k < kNarrow ? Dtype::BF16 : Dtype::Q8 : Dtype::F32;
    const int64_t ld = base_.int8 ? round_up(k, kGroup) : k;
    w.values = Buffer(static_cast<size_t>(w.n) * ld * size_of(type));
    if (type == Dtype::Q8) w.scales = Buffer(static_cast<size_t>(w.n) * (ld / kGroup) * sizeof(float));
    w.mat = {type, w.values.data(), w.scales.as<float>(), ld};
    int row = 0;
    for (const auto& p : parts) {
      const TensorSource& t = need(p.first, {k, p.second});
      fill(t, p.second, k, w, row);
      row += p.second;
    }
    base_.bytes += w.values.size() + w.scales.size();
    return w;
  }

 private:
  const TensorSource& need(const std::string& name, const std::vector<int64_t>& ne) const {
    const TensorSource* t = find(name);
    if (!t) throw Error("MISSING_TENSOR", "The model has no tensor \"" + name + "\".");
    if (t->ne != ne)
      throw Error(
          "BAD_SHAPE", "Expected shape " + shape(ne) + " for tensor " + name + " but received " + shape(t->ne) + ".");
    const int64_t block = ggml_.block_size(t->type);
    if (ne[0] % block)
      throw Error("BAD_SHAPE", "Tensor " + name + " has rows of " + std::to_string(ne[0]) +
                                   " values, not a multiple of its type's block of " + std::to_string(block) + ".");
    int64_t count = 1;
    for (int64_t n : ne) count *= n;
    const uint64_t size = static_cast<uint64_t>(count / block) * ggml_.type_size(t->type);
    if (t->file < 0 || t->file >= static_cast<int>(files_.size()))
      throw Error("BAD_MODEL", "Tensor " + name + " names a file that is not listed.");
    const uint64_t have = files_[t->file].size();
    if (t->offset > have || size > have - t->offset)
      throw Error("TRUNCATED", "Tensor " + name + " needs " + std::to_string(size) + " bytes at " +
                                   std::to_string(t->offset) + " but the file has " + std::to_string(have) +
                                   ". Download it again.");
    return *t;
  }

  const uint8_t* bytes(const TensorSource& t) const { return files_[t.file].data() + t.offset; }

  void fill(const TensorSource& t, int n, int k, Weight& w, int row0) {
    const size_t row_bytes = static_cast<size_t>(k / ggml_.block_size(t.type)) * ggml_.type_size(t.type);
    const bool levels = ggml_.block_size(t.type) > 1;
    const int parts = n < 256 ? 1 : pool_.threads();
    pool_.run(parts, [&](int i, int) {
      constexpr int kRows = 16;
      const int end = static_cast<int>(static_cast<int64_t>(n) * (i + 1) / parts);
      std::vector<float> tmp(static_cast<size_t>(kRows) * k);
      for (int r = static_cast<int>(static_cast<int64_t>(n) * i / parts); r < end; r += kRows) {
        const int rows = std::min(kRows, end - r);
        const int64_t ld = w.mat.ld, at = row0 + r;
        float* out = base_.int8 ? tmp.data() : w.values.as<float>() + at * ld;
        ggml_.dequantize(t.type, bytes(t) + r * row_bytes, out, static_cast<int64_t>(rows) * k);
        float sum = 0;
        for (int64_t j = 0; j < static_cast<int64_t>(rows) * k; j++) sum += out[j] * 0.0f;
        // not 0: some value was not finite
        if (sum != 0.0f) throw Error("NON_FINITE", "Tensor " + t.name + " holds NaN or infinity.");
        if (w.mat.type == Dtype::BF16)
          base_.kernels->to_act(out, k, k, Dtype::BF16, w.values.as<bf16_t>() + at * ld, ld, 0, rows);
        if (w.mat.type == Dtype::Q8)
          base_.kernels->quantize_rows(
              out, k, rows, k, levels, w.values.as<int8_t>() + at * ld, ld, w.scales.as<float>() + at * (ld / kGroup));
      }
    });
  }

  Base& base_;
  const GgmlReader& ggml_;
  const std::vector<MappedFile>& files_;
  Pool pool_;
  std::map<std::string, const TensorSource*> byName_;
};

void check(const Description& d) {
  auto in = [](const char* what, int64_t x, int64_t lo, int64_t hi) {
    if (x < lo || x > hi)
      throw Error("BAD_MODEL", std::string("Expected ") + what + " between " + std::to_string(lo) + " and " +
                                   std::to_string(hi) + " but received " + std::to_string(x) + ".");
  };
  if (d.architecture != "llama" && d.architecture != "qwen2" && d.architecture != "qwen3")
    throw Error("BAD_MODEL", "Expected architecture llama, qwen2 or qwen3 but received \"" + d.architecture + "\".");
  in("numLayers", d.layers, 1, 512);
  in("hiddenSize", d.hidden, 1, 1 << 16);
  in("numHeads", d.heads, 1, 1024);
  in("numKvHeads", d.kv_heads, 1, d.heads);
  in("headDim", d.head_dim, 2, 512);
  in("ffnSize", d.ffn, 1, 1 << 20);
  in("vocabSize", d.vocab, 2, 1 << 22);
  in("contextLength", d.context, 1, 1 << 24);
  in("ropeDim", d.rope_dim, 2, d.head_dim);
  if (d.heads % d.kv_heads) throw Error("BAD_MODEL", "numHeads must be a multiple of numKvHeads.");
  if (d.rope_dim % 2) throw Error("BAD_MODEL", "ropeDim must be even.");
  if (!(d.rope_theta > 0) || !(d.norm_eps >= 0))
    throw Error("BAD_MODEL", "ropeTheta must be positive and normEps not negative.");
  if (!d.rope_factors.empty() && static_cast<int>(d.rope_factors.size()) != d.rope_dim / 2)
    throw Error("BAD_MODEL", "ropeFactors must have ropeDim / 2 values.");
}

}  // namespace

void Base::load(const std::string& ggml, const std::vector<MappedFile>& files) {
  Loader in(*this, ggml, files);
  const auto& d = desc;
  const int q = d.heads * d.head_dim, kv = d.kv_heads * d.head_dim;
  embedding = in.matrix({{"token_embd.weight", d.vocab}}, d.hidden);
  if (in.find("output.weight")) head = in.matrix({{"output.weight", d.vocab}}, d.hidden);
  final_norm = in.vector("output_norm.weight", d.hidden);
  for (int l = 0; l < d.layers; l++) {
    const std::string p = "blk." + std::to_string(l) + ".";
    Layer y;
    y.qkv = in.matrix({{p + "attn_q.weight", q}, {p + "attn_k.weight", kv}, {p + "attn_v.weight", kv}}, d.hidden);
    y.o = in.matrix({{p + "attn_output.weight", d.hidden}}, q);
    y.gate_up = in.matrix({{p + "ffn_gate.weight", d.ffn}, {p + "ffn_up.weight", d.ffn}}, d.hidden);
    y.down = in.matrix({{p + "ffn_down.weight", d.hidden}}, d.ffn);
    y.attn_norm = in.vector(p + "attn_norm.weight", d.hidden);
    y.ffn_norm = in.vector(p + "ffn_norm.weight", d.hidden);
    const int width[3] = {q, kv, kv};
    const char* names[3] = {"attn_q.bias", "attn_k.bias", "attn_v.bias"};
    int at = 0;
    for (int i = 0; i < 3; at += width[i++]) {
      auto b = in.vector(p + names[i], width[i], true);
      if (b.empty()) continue;
      y.qkv_bias.resize(q + 2 * kv, 0.0f);
      std::copy(b.begin(), b.end(), y.qkv_bias.begin() + at);
    }
    const bool norms = d.architecture == "qwen3";
    if (norms) {
      y.q_norm = in.vector(p + "attn_q_norm.weight", d.head_dim);
      y.k_norm = in.vector(p + "attn_k_norm.weight", d.head_dim);
    }
    layers.push_back(std::move(y));
  }
}

void Base::row(const Weight& w, int token, float* out) const {
  if (w.mat.type == Dtype::F32) {
    std::memcpy(
        out, static_cast<const float*>(w.mat.data) + static_cast<int64_t>(token) * w.mat.ld, sizeof(float) * w.k);
    return;
  }
  if (w.mat.type == Dtype::BF16) {
    kernels->from_act(Dtype::BF16, static_cast<const bf16_t*>(w.mat.data) + static_cast<int64_t>(token) * w.mat.ld,
        w.mat.ld, w.k, out, w.k, 0, 1);
    return;
  }
  const int8_t* q = static_cast<const int8_t*>(w.mat.data) + static_cast<int64_t>(token) * w.mat.ld;
  const float* s = w.mat.scale + static_cast<int64_t>(token) * (w.mat.ld / kGroup);
  for (int i = 0; i < w.k; i++) out[i] = q[i] * s[i / kGroup];
}

std::shared_ptr<const Base> Base::open(
    const Description& d, const std::string& identity, bool int8, const std::string& kernels, const std::string& ggml) {
  check(d);
  const KernelSet* set = kernels_by_name(kernels.c_str());
  if (!set)
    throw Error("UNSUPPORTED_CPU",
        "Kernel set \"" + kernels + "\" is unknown or not on this processor. Use \"auto\" or \"portable\".");
  // One copy a process. The files are opened first, so that what the key says of them is what is read.
  std::vector<MappedFile> files;
  std::string key = std::string(int8 ? "int8" : "f32") + "|" + set->name + "|" + identity;
  for (const auto& f : d.files) key += "|" + files.emplace_back(f).stamp();
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Base>> open;
  std::lock_guard<std::mutex> lock(mutex);
  for (auto it = open.begin(); it != open.end();) it = it->second.expired() ? open.erase(it) : std::next(it);
  const auto have = open.find(key);
  if (have != open.end())
    if (auto base = have->second.lock()) return base;
  auto base = std::make_shared<Base>();
  base->desc = d;
  base->int8 = int8;
  base->kernels = set;
  base->load(ggml, files);
  open[key] = base;
  return base;
}

}  // namespace ft
