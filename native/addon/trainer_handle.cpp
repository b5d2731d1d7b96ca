#include "trainer_handle.h"

#include <algorithm>

#include "base_handle.h"
#include "convert.h"

namespace ft {

Batch TrainerHandle::OwnedBatch::view() const {
  Batch b;
  b.tokens = tokens.data();
  b.mask = mask.data();
  b.lengths = lengths.data();
  b.count = static_cast<int>(tokens.size());
  b.sequences = static_cast<int>(lengths.size());
  return b;
}

TrainerHandle::OwnedBatch TrainerHandle::batch(const Napi::Value& v) {
  const Napi::Object o = object(v, "a batch");
  // all of them first: getting one may run JavaScript, which may take the memory of another away
  const Napi::Value own_tokens = o.Get("tokens"), own_mask = o.Get("lossMask"), own_lengths = o.Get("lengths");
  const auto tokens = typed<Napi::Int32Array>(own_tokens, "tokens");
  if (tokens.ElementLength() > (1u << 24)) throw Error("BAD_ARGUMENT", "Expected at most 16777216 tokens in a batch.");
  const auto mask = typed<Napi::Uint8Array>(own_mask, "lossMask", static_cast<int64_t>(tokens.ElementLength()));
  const auto lengths = typed<Napi::Int32Array>(own_lengths, "lengths");
  OwnedBatch b;
  b.tokens.assign(tokens.Data(), tokens.Data() + tokens.ElementLength());
  b.mask.assign(mask.Data(), mask.Data() + mask.ElementLength());
  b.lengths.assign(lengths.Data(), lengths.Data() + lengths.ElementLength());
  return b;
}

std::vector<TrainerHandle::OwnedBatch> TrainerHandle::batches(const Napi::Value& v) {
  auto out = list(v, "batches", batch);
  if (out.empty()) throw Error("BAD_ARGUMENT", "Expected at least one batch but received none.");
  return out;
}

StepOptions TrainerHandle::step_options(const Napi::Value& v) {
  const Napi::Object o = object(v, "step options");
  StepOptions s;
  s.learning_rate = single(o, "learningRate");
  s.beta1 = single(o, "beta1");
  s.beta2 = single(o, "beta2");
  s.eps = single(o, "eps");
  s.weight_decay = single(o, "weightDecay");
  s.max_grad_norm = single(o, "maxGradNorm");
  s.prox_mu = single(o, "proxMu");
  s.dropout_seed = static_cast<uint32_t>(integer(o, "dropoutSeed", 0, 4294967295LL));
  const bool fine = s.learning_rate >= 0 && s.beta1 >= 0 && s.beta1 < 1 && s.beta2 >= 0 && s.beta2 < 1 && s.eps >= 0 &&
                    s.weight_decay >= 0 && s.max_grad_norm >= 0 && s.prox_mu >= 0;
  if (!fine)
    throw Error("BAD_ARGUMENT",
        "Expected learningRate, eps, weightDecay, maxGradNorm and proxMu of at least 0 and betas in [0, 1).");
  return s;
}

Napi::Function TrainerHandle::define(Napi::Env env) {
  return DefineClass(env, "Trainer",
      {InstanceAccessor<&TrainerHandle::num_values>("numValues"), InstanceAccessor<&TrainerHandle::bytes>("bytes"),
          InstanceMethod<&TrainerHandle::get_values>("getValues"),
          InstanceMethod<&TrainerHandle::set_values>("setValues"),
          InstanceMethod<&TrainerHandle::set_trainable>("setTrainable"),
          InstanceMethod<&TrainerHandle::set_anchor>("setAnchor"),
          InstanceMethod<&TrainerHandle::set_offset>("setGradientOffset"),
          InstanceMethod<&TrainerHandle::reset_optimizer>("resetOptimizer"),
          InstanceMethod<&TrainerHandle::get_optimizer>("getOptimizerState"),
          InstanceMethod<&TrainerHandle::set_optimizer>("setOptimizerState"),
          InstanceMethod<&TrainerHandle::sync<&TrainerHandle::evaluate_call>>("evaluate"),
          InstanceMethod<&TrainerHandle::sync<&TrainerHandle::gradient_call>>("gradient"),
          InstanceMethod<&TrainerHandle::sync<&TrainerHandle::step_call>>("step"),
          InstanceMethod<&TrainerHandle::async<&TrainerHandle::evaluate_call>>("evaluateAsync"),
          InstanceMethod<&TrainerHandle::async<&TrainerHandle::gradient_call>>("gradientAsync"),
          InstanceMethod<&TrainerHandle::async<&TrainerHandle::step_call>>("stepAsync"),
          InstanceMethod<&TrainerHandle::take_gradient_sum>("takeGradientSum"),
          InstanceMethod<&TrainerHandle::take_profile>("takeProfile"),
          InstanceMethod<&TrainerHandle::dispose>("dispose")});
}

TrainerHandle::TrainerHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainerHandle>(info) {
  guard(info.Env(), [&] {
    const Napi::Object o = object(info[0], "options");
    const auto base = BaseHandle::of(o.Get("base"));
    const auto modules = list(o.Get("modules"), "modules", [](const Napi::Value& v) {
      const Napi::Object m = object(v, "a module");
      return ModuleSpec{string(m, "module"), static_cast<int>(integer(m, "rank", std::numeric_limits<int32_t>::min())),
          single(m, "scale")};
    });
    const float dropout = o.Get("dropout").IsUndefined() ? 0.0f : single(o, "dropout");
    if (dropout < 0 || dropout >= 1)
      throw Error("BAD_ARGUMENT", "Expected dropout in [0, 1) but received " + std::to_string(dropout) + ".");
    trainer_ = std::make_unique<Trainer>(
        base, modules, dropout, static_cast<int>(integer(o, "threads", 1, 64)), boolean(o, "checkpointing", false));
    tell();
  });
}

Trainer& TrainerHandle::trainer() {
  if (!trainer_) throw Error("DISPOSED", "This trainer was disposed of. Make a new one.");
  return *trainer_;
}

// ---- the calls that compute ---------------------------------------------------------------

std::pair<Work, Finish> TrainerHandle::evaluate_call(const Napi::CallbackInfo& info) {
  struct Call {
    OwnedBatch batch;
    bool adapter, all;
    std::vector<float> nll;
    double sum = 0;
  };
  auto c = std::make_shared<Call>();
  const Napi::Object o = object(info[1], "evaluate options");
  c->batch = batch(info[0]);
  c->adapter = boolean(o, "adapter", true);
  c->all = boolean(o, "all", false);
  Trainer& t = trainer();
  return {[c, &t] {
            c->nll.assign(c->batch.tokens.size(), 0.0f);
            c->sum = t.evaluate(c->batch.view(), c->adapter, c->all, c->nll.data());
          },
      [c](Napi::Env env) -> Napi::Value {
        Napi::Object r = Napi::Object::New(env);
        auto nll = fresh<Napi::Float32Array>(env, c->nll.size());
        std::copy(c->nll.begin(), c->nll.end(), nll.Data());
        r.Set("nll", nll);
        r.Set("nllSum", c->sum);
        r.Set("targets", targets(c->batch.view()));
        return r;
      }};
}

std::pair<Work, Finish> TrainerHandle::gradient_call(const Napi::CallbackInfo& info) {
  struct Call {
    std::vector<OwnedBatch> batches;
    double loss = 0;
    int64_t targets = 0;
  };
  auto c = std::make_shared<Call>();
  c->batches = batches(info[0]);
  Trainer& t = trainer();
  return {[c, &t] {
            std::vector<Batch> views;
            for (const auto& b : c->batches) views.push_back(b.view());
            c->loss = t.gradient(views, {}, &c->targets);
          },
      [c, &t](Napi::Env env) -> Napi::Value {
        Napi::Object r = Napi::Object::New(env);
        r.Set("loss", c->loss);
        r.Set("targets", static_cast<double>(c->targets));
        r.Set("gradient", read(env, t, Slot::Gradient));
        return r;
      }};
}

std::pair<Work, Finish> TrainerHandle::step_call(const Napi::CallbackInfo& info) {
  struct Call {
    std::vector<OwnedBatch> batches;
    StepOptions options;
    StepResult result;
  };
  auto c = std::make_shared<Call>();
  c->batches = batches(info[0]);
  c->options = step_options(info[1]);
  Trainer& t = trainer();
  return {[c, &t] {
            std::vector<Batch> views;
            for (const auto& b : c->batches) views.push_back(b.view());
            c->result = t.step(views, c->options);
          },
      [c](Napi::Env env) -> Napi::Value {
        Napi::Object r = Napi::Object::New(env);
        r.Set("loss", c->result.loss);
        r.Set("gradNorm", c->result.grad_norm);
        r.Set("targets", static_cast<double>(c->result.targets));
        r.Set("tokens", static_cast<double>(c->result.tokens));
        return r;
      }};
}

// The two ways to call each: `InstanceMethod<&TrainerHandle::sync<&TrainerHandle::step_call>>("step")` computes at
// once, `async` of the same on another thread.
template <std::pair<Work, Finish> (TrainerHandle::*Call)(const Napi::CallbackInfo&)>
Napi::Value TrainerHandle::sync(const Napi::CallbackInfo& info) {
  return locked([&](Trainer&) {
    auto call = (this->*Call)(info);
    call.first();
    return call.second(info.Env());
  });
}

template <std::pair<Work, Finish> (TrainerHandle::*Call)(const Napi::CallbackInfo&)>
Napi::Value TrainerHandle::async(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    trainer();
    // keeps the handle alive and the trainer locked until the work is done
    struct Hold {
      explicit Hold(TrainerHandle& h) : self(Napi::Persistent(h.Value())), lock(h) {}
      Napi::ObjectReference self;
      Lock lock;
    };
    auto hold = std::make_shared<Hold>(*this);
    auto call = (this->*Call)(info);
    return AsyncCall::start(info.Env(), std::move(call.first), std::move(call.second), std::move(hold));
  });
}

}  // namespace ft
