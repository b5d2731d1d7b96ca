// What a Trainer of JavaScript holds: values, masks, optimizer state, profile.
#include "convert.h"
#include "trainer_handle.h"

namespace ft {

namespace {
void write(Trainer& t, Slot slot, const Napi::Value& v, const char* what) {
  t.write(slot, v.IsNull() ? nullptr : typed<Napi::Float32Array>(v, what, t.size()).Data());
}
}  // namespace

Napi::Value TrainerHandle::read(Napi::Env env, const Trainer& t, Slot slot) {
  auto out = fresh<Napi::Float32Array>(env, t.size());
  t.read(slot, out.Data());
  return out;
}

Napi::Value TrainerHandle::num_values(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] { return Napi::Value::From(info.Env(), static_cast<double>(trainer().size())); });
}
// As of the last call that is done: another may be allocating on its thread.
Napi::Value TrainerHandle::bytes(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    trainer();
    return Napi::Value::From(info.Env(), static_cast<double>(told_.told()));
  });
}
Napi::Value TrainerHandle::get_values(const Napi::CallbackInfo& info) {
  return locked([&](Trainer& t) { return read(info.Env(), t, Slot::Values); });
}
void TrainerHandle::set_values(const Napi::CallbackInfo& info) {
  locked([&](Trainer& t) { t.write(Slot::Values, typed<Napi::Float32Array>(info[0], "values", t.size()).Data()); });
}
void TrainerHandle::set_trainable(const Napi::CallbackInfo& info) {
  locked([&](Trainer& t) {
    t.set_trainable(info[0].IsNull() ? nullptr : typed<Napi::Uint8Array>(info[0], "mask", t.size()).Data());
  });
}
void TrainerHandle::set_anchor(const Napi::CallbackInfo& info) {
  locked([&](Trainer& t) { write(t, Slot::Anchor, info[0], "anchor"); });
}
void TrainerHandle::set_offset(const Napi::CallbackInfo& info) {
  locked([&](Trainer& t) { write(t, Slot::Offset, info[0], "offset"); });
}
void TrainerHandle::reset_optimizer(const Napi::CallbackInfo&) {
  locked([](Trainer& t) { t.reset_optimizer(); });
}
Napi::Value TrainerHandle::get_optimizer(const Napi::CallbackInfo& info) {
  return locked([&](Trainer& t) -> Napi::Value {
    Napi::Object r = Napi::Object::New(info.Env());
    r.Set("step", static_cast<double>(t.optimizer_step()));
    r.Set("m", read(info.Env(), t, Slot::M));
    r.Set("v", read(info.Env(), t, Slot::V));
    return r;
  });
}
void TrainerHandle::set_optimizer(const Napi::CallbackInfo& info) {
  locked([&](Trainer& t) {
    const Napi::Object o = object(info[0], "optimizer state");
    const int64_t step = integer(o, "step", 0, int64_t{1} << 50);
    const Napi::Value m = o.Get("m"), v = o.Get("v");  // before either is looked at: see TrainerHandle::batch
    t.set_optimizer(
        step, typed<Napi::Float32Array>(m, "m", t.size()).Data(), typed<Napi::Float32Array>(v, "v", t.size()).Data());
  });
}
Napi::Value TrainerHandle::take_gradient_sum(const Napi::CallbackInfo& info) {
  return locked([&](Trainer& t) -> Napi::Value {
    auto sum = fresh<Napi::Float32Array>(info.Env(), t.size());
    Napi::Object r = Napi::Object::New(info.Env());
    r.Set("steps", static_cast<double>(t.take_gradient_sum(sum.Data())));
    r.Set("sum", sum);
    return r;
  });
}
Napi::Value TrainerHandle::take_profile(const Napi::CallbackInfo& info) {
  return locked([&](Trainer& t) -> Napi::Value {
    Napi::Object r = Napi::Object::New(info.Env());
    for (const auto& [name, seconds] : t.take_profile()) r.Set(name, seconds);
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
