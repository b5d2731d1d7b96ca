// `Base` of src/native/binding.ts.
#pragma once
#include <napi.h>

#include <memory>

#include "../engine/model.h"
#include "convert.h"

namespace ft {

class BaseHandle : public Napi::ObjectWrap<BaseHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BaseHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override { told_.set(env, 0); }
  // The base of a handle of JavaScript. Throws BAD_ARGUMENT on anything else, DISPOSED.
  static const std::shared_ptr<const Base>& of(const Napi::Value& v);

 private:
  const std::shared_ptr<const Base>& base() const;  // throws DISPOSED
  Napi::Value precision(const Napi::CallbackInfo& info);
  Napi::Value kernels(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<const Base> base_;
  ExternalBytes told_;
};

}  // namespace ft
