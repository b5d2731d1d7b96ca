// What a Trainer of JavaScript holds: values, masks, optimizer state, profile.
#include <cmath>

#include "convert.h"
#include "trainer_handle.h"

namespace ft {

Napi::Value TrainerHandle::num_values(const Napi::CallbackInfo& info) {
  return guard(info.Env(),
      [&]() -> Napi::Value { return Napi::Number::New(info.Env(), static_cast<double>(trainer().size())); });
}
Napi::Value TrainerHandle::bytes(const Napi::CallbackInfo& info) {
  return guard(info.Env(),
      [&]() -> Napi::Value { return Napi::Number::New(info.Env(), static_cast<double>(trainer().bytes())); });
}
Napi::Value TrainerHandle::get_values(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    Trainer& t = trainer();
    Lock lock(*this);
    return floats(info.Env(), t.values().data(), t.values().size());
  });
}
void TrainerHandle::set_values(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    t.set_values(typed<Napi::Float32Array>(info[0], "values", t.size()).Data());
  });
}
void TrainerHandle::set_trainable(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    t.set_trainable(info[0].IsNull() ? nullptr : typed<Napi::Uint8Array>(info[0], "mask", t.size()).Data());
  });
}
void TrainerHandle::set_anchor(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    t.set_anchor(info[0].IsNull() ? nullptr : typed<Napi::Float32Array>(info[0], "anchor", t.size()).Data());
  });
}
void TrainerHandle::set_offset(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    t.set_offset(info[0].IsNull() ? nullptr : typed<Napi::Float32Array>(info[0], "offset", t.size()).Data());
  });
}
void TrainerHandle::reset_optimizer(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    t.reset_optimizer();
  });
}
Napi::Value TrainerHandle::get_optimizer(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    Trainer& t = trainer();
    Lock lock(*this);
    const auto& s = t.optimizer();
    const std::vector<float> zero(s.m.empty() ? t.size() : 0, 0.0f);
    Napi::Object r = Napi::Object::New(info.Env());
    r.Set("step", static_cast<double>(s.step));
    r.Set("m", floats(info.Env(), s.m.empty() ? zero.data() : s.m.data(), t.size()));
    r.Set("v", floats(info.Env(), s.v.empty() ? zero.data() : s.v.data(), t.size()));
    return r;
  });
}
void TrainerHandle::set_optimizer(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Trainer& t = trainer();
    Lock lock(*this);
    const Napi::Object o = object(info[0], "optimizer state");
    const auto m = typed<Napi::Float32Array>(o.Get("m"), "m", t.size()),
               v = typed<Napi::Float32Array>(o.Get("v"), "v", t.size());
    Trainer::Optimizer s;
    s.step = integer(o, "step", 0, int64_t{1} << 50);
    s.m.assign(m.Data(), m.Data() + t.size());
    s.v.assign(v.Data(), v.Data() + t.size());
    for (float x : s.m)
      if (!std::isfinite(x)) throw Error("NON_FINITE", "Expected finite moments.");
    for (float x : s.v)
      if (!std::isfinite(x) || x < 0) throw Error("NON_FINITE", "Expected finite second moments of at least 0.");
    t.optimizer() = std::move(s);
  });
}
Napi::Value TrainerHandle::take_gradient_sum(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    Trainer& t = trainer();
    Lock lock(*this);
    std::vector<float> sum;
    const int64_t steps = t.take_gradient_sum(sum);
    Napi::Object r = Napi::Object::New(info.Env());
    r.Set("steps", static_cast<double>(steps));
    r.Set("sum", floats(info.Env(), sum.data(), sum.size()));
    return r;
  });
}
Napi::Value TrainerHandle::take_profile(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    Trainer& t = trainer();
    Lock lock(*this);
    Napi::Object r = Napi::Object::New(info.Env());
    for (const auto& [name, seconds] : t.engine().take_profile()) r.Set(name, seconds);
    return r;
  });
}
void TrainerHandle::dispose(const Napi::CallbackInfo& info) {
  guard(info.Env(), [&] {
    Lock lock(*this);
    trainer_.reset();
  });
}

}  // namespace ft
