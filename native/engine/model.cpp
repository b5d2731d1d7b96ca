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

// How a matrix with rows of k values is kept. The embedding and the output matrix see every token as it is, so int4
// spares them.
Dtype stored(Precision precision, int k, bool vocabulary) {
  if (precision == Precision::F32) return Dtype::F32;
  if (k < kNarrow) return Dtype::BF16;
  return precision == Precision::Int4 && !vocabulary ? Dtype::Q4 : Dtype::Q8;
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

  std::vector<float> vector(const std::string& name, int size) {
    const TensorSource& t = need(name, {size});
    std::vector<float> out(size);
    ggml_.dequantize(t.type, bytes(t), out.data(), size);
    for (float x : out)
      if (!std::isfinite(x)) throw Error("NON_FINITE", "Tensor " + name + " holds NaN or infinity.");
    return out;
  }

  std::vector<float> norm(const std::string& name, int size, float scale = 1) {
    auto w = vector(name, size);
    for (float& x : w) x = (x + base_.desc.norm_offset) * scale;
    return w;
  }

  // Stacks the named matrices [n_i, k] row after row, and their biases, where there are any; all times `scale`.
  Weight matrix(
      const std::vector<std::pair<std::string, int>>& parts, int k, float scale = 1, bool vocabulary = false) {
    Weight w;
    w.k = k;
    for (const auto& p : parts) w.n += p.second;
    const Dtype type = stored(base_.precision, k, vocabulary);
    const int64_t ld = type == Dtype::F32 ? k : round_up(k, kGroup);
    w.values = Buffer(bytes_of(type, w.n * ld));
    if (type == Dtype::Q8 || type == Dtype::Q4)
      w.scales = Buffer(static_cast<size_t>(w.n) * (ld / kGroup) * sizeof(float));
    w.view = {type, k, ld, w.values.data(), w.scales.as<float>()};
    int row = 0;
    for (const auto& p : parts) {
      const TensorSource& t = need(p.first, {k, p.second});
      fill(t, p.second, k, scale, w, row);
      const std::string bias = p.first.substr(0, p.first.rfind('.')) + ".bias";
      if (find(bias)) {
        w.bias.resize(w.n, 0.0f);
        const auto values = vector(bias, p.second);
        for (int i = 0; i < p.second; i++) w.bias[row + i] = values[i] * scale;
      }
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
    if (size != t->bytes)
      throw Error("BAD_SHAPE", "Expected the " + std::to_string(size) + " bytes of tensor " + name +
                                   "'s type and shape but received " + std::to_string(t->bytes) + ".");
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

  void fill(const TensorSource& t, int n, int k, float scale, Weight& w, int row0) {
    const size_t row_bytes = static_cast<size_t>(k / ggml_.block_size(t.type)) * ggml_.type_size(t.type);
    const bool levels = ggml_.block_size(t.type) > 1;
    const int parts = n < 256 ? 1 : pool_.threads();
    pool_.run(parts, [&](int i, int) {
      constexpr int kRows = 16;
      const int end = static_cast<int>(static_cast<int64_t>(n) * (i + 1) / parts);
      std::vector<float> tmp(static_cast<size_t>(kRows) * k);
      for (int r = static_cast<int>(static_cast<int64_t>(n) * i / parts); r < end; r += kRows) {
        const int rows = std::min(kRows, end - r);
        const View to = w.view.from(row0 + r);
        float* out = to.type == Dtype::F32 ? static_cast<float*>(to.data) : tmp.data();
        ggml_.dequantize(t.type, bytes(t) + r * row_bytes, out, static_cast<int64_t>(rows) * k);
        float sum = 0;
        for (int64_t j = 0; j < static_cast<int64_t>(rows) * k; j++) sum += (out[j] *= scale) * 0.0f;
        // not 0: some value was not finite
        if (sum != 0.0f) throw Error("NON_FINITE", "Tensor " + t.name + " holds NaN or infinity.");
        const View from{Dtype::F32, k, k, out};
        if (to.type == Dtype::BF16) base_.kernels->convert(from, to, 0, rows);
        if (to.type == Dtype::Q8 || to.type == Dtype::Q4) base_.kernels->quantize_rows(from, rows, levels, to);
      }
    });
  }

  Base& base_;
  const GgmlReader& ggml_;
  const std::vector<MappedFile>& files_;
  Pool pool_;
  std::map<std::string, const TensorSource*> byName_;
};

}  // namespace

void read_row(const View& w, int64_t row, int from, int count, float* out) {
  const View at = w.from(row);
  if (w.type == Dtype::F32) std::memcpy(out, static_cast<const float*>(at.data) + from, sizeof(float) * count);
  for (int i = 0; w.type == Dtype::BF16 && i < count; i++) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<const bf16_t*>(at.data)[from + i]) << 16;
    std::memcpy(out + i, &bits, sizeof bits);
  }
  for (int i = 0; w.type == Dtype::Q8 && i < count; i++)
    out[i] = static_cast<const int8_t*>(at.data)[from + i] * at.scale[(from + i) / kGroup];
}

void Base::load(const std::string& ggml, const std::vector<MappedFile>& files) {
  Loader in(*this, ggml, files);
  const auto& d = desc;
  const int q = d.q(), kv = d.kv();
  embedding = in.matrix({{"token_embd.weight", d.vocab}}, d.hidden, 1, true);
  if (in.find("output.weight")) head = in.matrix({{"output.weight", d.vocab}}, d.hidden, 1, true);
  final_norm = in.norm("output_norm.weight", d.hidden, d.logit_scale);  // logits are linear in it
  for (int l = 0; l < d.layers; l++) {
    const std::string p = "blk." + std::to_string(l) + ".";
    Layer y;
    if (d.fused_qkv) y.qkv = in.matrix({{p + "attn_qkv.weight", q + 2 * kv}}, d.hidden);
    else y.qkv = in.matrix({{p + "attn_q.weight", q}, {p + "attn_k.weight", kv}, {p + "attn_v.weight", kv}}, d.hidden);
    y.o = in.matrix({{p + "attn_output.weight", d.hidden}}, q, d.residual_scale);
    if (d.fused_gate_up) y.gate_up = in.matrix({{p + "ffn_gate_up.weight", 2 * d.ffn}}, d.hidden);
    else y.gate_up = in.matrix({{p + "ffn_gate.weight", d.ffn}, {p + "ffn_up.weight", d.ffn}}, d.hidden);
    y.down = in.matrix({{p + "ffn_down.weight", d.hidden}}, d.ffn, d.residual_scale);
    if (d.pre_norm) {
      y.attn_norm = in.norm(p + "attn_norm.weight", d.hidden);
      y.ffn_norm = in.norm(p + "ffn_norm.weight", d.hidden);
    }
    if (d.post_norm) {
      y.post_attn_norm = in.norm(p + "post_attention_norm.weight", d.hidden);
      y.post_ffn_norm = in.norm(p + "post_ffw_norm.weight", d.hidden);
    }
    if (d.qk_norm != QkNorm::None) {
      const bool head = d.qk_norm == QkNorm::Head;
      y.q_norm = in.norm(p + "attn_q_norm.weight", head ? d.head_dim : q);
      y.k_norm = in.norm(p + "attn_k_norm.weight", head ? d.head_dim : kv);
    }
    layers.push_back(std::move(y));
  }
}

Precision precision_by_name(const std::string& name) {
  for (const auto precision : {Precision::F32, Precision::Int8, Precision::Int4})
    if (name == name_of(precision)) return precision;
  throw Error("BAD_ARGUMENT", "Expected precision f32, int8 or int4 but received \"" + name + "\".");
}

const char* name_of(Precision precision) {
  return precision == Precision::F32 ? "f32" : precision == Precision::Int8 ? "int8" : "int4";
}

std::shared_ptr<const Base> Base::open(const Description& d, const std::string& identity, Precision precision,
    const std::string& kernels, const std::string& ggml) {
  check(d);
  const KernelSet* set = kernels_by_name(kernels.c_str());
  if (!set)
    throw Error("UNSUPPORTED_CPU",
        "Kernel set \"" + kernels + "\" is unknown or not on this processor. Use \"auto\" or \"portable\".");
  // One copy a process. The files are opened first, so that what the key says of them is what is read.
  std::vector<MappedFile> files;
  std::string key = std::string(name_of(precision)) + "|" + set->name + "|" + identity;
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
  base->precision = precision;
  base->kernels = set;
  base->load(ggml, files);
  open[key] = base;
  return base;
}

}  // namespace ft
