// What guard() and AsyncCall make of whatever C++ may throw.
#include <napi.h>

#include <ios>

#include "../addon/async.h"

namespace ft {

namespace {

// No std::exception.
struct Odd {};

void fail(const std::string& how) {
  if (how == "error") throw Error("BAD_MODEL", "planted");
  if (how == "bad_alloc") throw std::bad_alloc();
  if (how == "length_error") std::vector<int>().reserve(~size_t{0});
  if (how == "ios") throw std::ios_base::failure("planted");
  if (how == "odd") throw Odd();
  if (how == "int") throw 42;
}

std::string text_of(const Napi::CallbackInfo& info, size_t i) { return text(info[i], "an argument"); }

// sync(how)
Napi::Value sync(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    fail(text_of(info, 0));
    return info.Env().Undefined();
  });
}

// bare(how): not even guarded
Napi::Value bare(const Napi::CallbackInfo& info) {
  fail(text_of(info, 0));
  return info.Env().Undefined();
}

// async(how, where): where is "arguments", "work" or "finish"; releases() counts what calls let go of
int released = 0;
Napi::Value async(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const std::string how = text_of(info, 0), where = text_of(info, 1);
    Held held(nullptr, [](void*) { released++; });
    if (where == "arguments") fail(how);
    return AsyncCall::start(
        info.Env(),
        [how, where] {
          if (where == "work") fail(how);
        },
        [how, where](Napi::Env env) -> Napi::Value {
          if (where == "finish") fail(how);
          return Napi::String::New(env, "fine");
        },
        std::move(held));
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("sync", Napi::Function::New(env, sync));
  exports.Set("bare", Napi::Function::New(env, bare));
  exports.Set("async", Napi::Function::New(env, async));
  exports.Set("releases", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
    return Napi::Number::New(info.Env(), released);
  }));
  return exports;
}

}  // namespace

NODE_API_MODULE(guard_addon, init)

}  // namespace ft
