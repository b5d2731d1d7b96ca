#include "base_handle.h"

#include <algorithm>
#include <initializer_list>

#include "convert.h"

namespace ft {

namespace {

std::vector<double> doubles(const Napi::Value& v, const char* what) {
  if (v.IsUndefined()) return {};
  return list(v, what, [what](const Napi::Value& x) {
    const double number = x.IsNumber() ? x.As<Napi::Number>().DoubleValue() : NAN;
    if (!std::isfinite(number)) throw Error("BAD_ARGUMENT", std::string("Expected finite numbers in ") + what + ".");
    return number;
  });
}

TensorSource tensor(const Napi::Value& v) {
  const Napi::Object o = object(v, "a tensor");
  TensorSource t;
  t.name = string(o, "name");
  t.file = static_cast<int>(integer(o, "file"));
  t.offset = static_cast<uint64_t>(integer(o, "offset", 0, int64_t{1} << 52));
  t.bytes = static_cast<uint64_t>(integer(o, "bytes", 0, int64_t{1} << 52));
  t.type = static_cast<int>(integer(o, "type", 0, 1 << 16));
  for (double n : doubles(o.Get("ne"), "ne")) {
    if (!(n >= 1 && n <= 1e12) || n != std::floor(n))
      throw Error("BAD_SHAPE", "Tensor " + t.name + " has a dimension that is no positive whole number.");
    t.ne.push_back(static_cast<int64_t>(n));
  }
  return t;
}

std::vector<std::string> strings(const Napi::Value& v, const char* what) {
  return list(v, what, [what](const Napi::Value& x) { return text(x, what); });
}

// What is asked for and is not known here would be left out of the computation: refused by name.
void only(const Napi::Object& o, const char* what, std::initializer_list<const char*> known) {
  for (const std::string& name : strings(o.GetPropertyNames(), what))
    if (!o.Get(name).IsUndefined() && std::find(known.begin(), known.end(), name) == known.end())
      throw Error("UNSUPPORTED_FEATURE", std::string("This engine does not know \"") + name + "\" of " + what +
                                             ", and would leave it out of the computation. Use another base model.");
}

// The value out of `values`, as its place there.
template <size_t N>
int one_of(const Napi::Object& o, const char* key, const char* const (&values)[N]) {
  const std::string value = string(o, key);
  std::string all;
  for (size_t i = 0; i < N; i++) {
    if (value == values[i]) return static_cast<int>(i);
    all += std::string(i ? ", " : "") + values[i];
  }
  throw Error("UNSUPPORTED_FEATURE", std::string("Expected ") + key + " out of " + all + " but received \"" + value +
                                         "\", which this engine does not compute. Use another base model.");
}

RopeTable rope_table(const Napi::Value& v) {
  const Napi::Object o = object(v, "a RoPE table");
  only(o, "a RoPE table", {"theta", "dim", "pairing", "factors", "magnitude"});
  RopeTable r;
  r.theta = number(o, "theta");
  r.dim = static_cast<int>(integer(o, "dim"));
  r.interleaved = one_of(o, "pairing", {"half", "interleaved"}) == 1;
  r.factors = doubles(o.Get("factors"), "factors");
  if (!o.Get("magnitude").IsUndefined()) r.magnitude = number(o, "magnitude");
  return r;
}

LayerDescription layer_description(const Napi::Value& v) {
  const Napi::Object o = object(v, "a layer");
  only(o, "a layer", {"rope", "window"});
  auto whole = [&](const char* key, int64_t low, int64_t high, int none) {
    const Napi::Value value = o.Get(key);
    return value.IsNull() || value.IsUndefined() ? none : static_cast<int>(integer(o, key, low, high));
  };
  return {whole("rope", 0, 1 << 16, -1), whole("window", 1, INT32_MAX, 0)};
}

Description description(const Napi::Value& v) {
  const Napi::Object o = object(v, "description");
  only(o, "a model description",
      {"architecture", "numLayers", "hiddenSize", "numHeads", "numKvHeads", "headDim", "ffnSize", "vocabSize",
          "contextLength", "normEps", "normOffset", "preNorm", "postNorm", "qkNorm", "activation", "fusedQkv",
          "fusedGateUp", "embeddingScale", "residualScale", "attentionScale", "attentionSoftcap", "logitScale",
          "logitSoftcap", "ropes", "layers", "files", "tensors"});
  Description d;
  d.layers = static_cast<int>(integer(o, "numLayers"));
  d.hidden = static_cast<int>(integer(o, "hiddenSize"));
  d.heads = static_cast<int>(integer(o, "numHeads"));
  d.kv_heads = static_cast<int>(integer(o, "numKvHeads"));
  d.head_dim = static_cast<int>(integer(o, "headDim"));
  d.ffn = static_cast<int>(integer(o, "ffnSize"));
  d.vocab = static_cast<int>(integer(o, "vocabSize"));
  d.context = static_cast<int>(integer(o, "contextLength"));
  d.norm_eps = single(o, "normEps");
  d.qk_norm = static_cast<QkNorm>(one_of(o, "qkNorm", {"none", "head", "row"}));
  d.activation = static_cast<Activation>(one_of(o, "activation", {"silu", "gelu_tanh"}));
  d.pre_norm = boolean(o, "preNorm", true);
  d.post_norm = boolean(o, "postNorm", false);
  d.fused_qkv = boolean(o, "fusedQkv", false);
  d.fused_gate_up = boolean(o, "fusedGateUp", false);
  auto optional = [&](const char* key, float otherwise) {
    return o.Get(key).IsUndefined() ? otherwise : static_cast<float>(number(o, key));
  };
  d.norm_offset = optional("normOffset", 0);
  d.embedding_scale = optional("embeddingScale", 1);
  d.residual_scale = optional("residualScale", 1);
  d.attention_scale = optional("attentionScale", 1.0f / std::sqrt(static_cast<float>(d.head_dim)));
  d.attention_softcap = optional("attentionSoftcap", 0);
  d.logit_scale = optional("logitScale", 1);
  d.logit_softcap = optional("logitSoftcap", 0);
  d.ropes = list(o.Get("ropes"), "ropes", rope_table);
  d.per_layer = list(o.Get("layers"), "layers", layer_description);
  d.files = strings(o.Get("files"), "files");
  d.tensors = list(o.Get("tensors"), "tensors", tensor);
  return d;
}

// The whole of a value as text: what two descriptions are compared by, so that no field can be forgotten.
std::string json(const Napi::Value& v) {
  const Napi::Env env = v.Env();
  const Napi::Object json = env.Global().Get("JSON").As<Napi::Object>();
  return json.Get("stringify").As<Napi::Function>().Call(json, {v}).ToString().Utf8Value();
}

// Which objects of JavaScript a BaseHandle is behind; a prototype can be set on any.
constexpr napi_type_tag kTag = {0x6b1f0c52d9e84a37, 0xa5d20f7e3c9b4186};

}  // namespace

Napi::Function BaseHandle::define(Napi::Env env) {
  return DefineClass(env, "Base",
      {InstanceAccessor<&BaseHandle::precision>("precision"), InstanceAccessor<&BaseHandle::kernels>("kernels"),
          InstanceAccessor<&BaseHandle::bytes>("bytes"), InstanceMethod<&BaseHandle::dispose>("dispose")});
}

BaseHandle::BaseHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BaseHandle>(info) {
  guard(info.Env(), [&] {
    const Napi::Object o = object(info[0], "options");
    const Precision precision = precision_by_name(string(o, "precision"));
    const Napi::Value d = o.Get("description");
    base_ = Base::open(description(d), json(d), precision, string(o, "kernels"), string(o, "ggmlLibrary"));
    told_.set(info.Env(), static_cast<int64_t>(base_->bytes));
    info.This().As<Napi::Object>().TypeTag(&kTag);
  });
}

const std::shared_ptr<const Base>& BaseHandle::of(const Napi::Value& v) {
  const Napi::Object o = object(v, "base");
  if (!o.CheckTypeTag(&kTag)) throw Error("BAD_ARGUMENT", "Expected a Base of this thread for base.");
  return Unwrap(o)->base();
}

const std::shared_ptr<const Base>& BaseHandle::base() const {
  if (!base_) throw Error("DISPOSED", "This base was disposed of. Open it again.");
  return base_;
}

Napi::Value BaseHandle::precision(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), name_of(base()->precision)); });
}
Napi::Value BaseHandle::kernels(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), base()->kernels->name); });
}
Napi::Value BaseHandle::bytes(const Napi::CallbackInfo& info) {
  return guard(
      info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), static_cast<double>(base()->bytes)); });
}
void BaseHandle::dispose(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    base_.reset();
    told_.set(info.Env(), 0);
  });
}

}  // namespace ft
