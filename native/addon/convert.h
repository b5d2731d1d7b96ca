// JavaScript values in and out, checked: a wrong type is an Error, never undefined behaviour.
#pragma once
#include <napi.h>

#include <cmath>
#include <limits>
#include <vector>

#include "../engine/error.h"

namespace ft {

inline Napi::Error to_js(Napi::Env env, const Error& e) {
  Napi::Error error = Napi::Error::New(env, e.what());
  error.Set("code", Napi::String::New(env, e.code));
  return error;
}

// Runs fn; whatever it throws becomes a JavaScript error with a code.
template <class F>
auto guard(Napi::Env env, F&& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const Napi::Error&) {
    throw;  // thrown by JavaScript (a getter, say)
  } catch (...) {
    throw to_js(env, current_error());
  }
}

// The same as a function of the addon.
template <Napi::Value (*fn)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] { return fn(info); });
}

// What a handle holds outside of V8's heap, told to V8 so that it collects handles that nobody disposed of.
class ExternalBytes {
 public:
  void set(Napi::BasicEnv env, int64_t bytes) {
    if (bytes != told_) Napi::MemoryManagement::AdjustExternalMemory(env, bytes - told_);
    told_ = bytes;
  }
  int64_t told() const { return told_; }

 private:
  int64_t told_ = 0;
};

inline Napi::Object object(const Napi::Value& v, const char* what) {
  if (!v.IsObject()) throw Error("BAD_ARGUMENT", std::string("Expected an object for ") + what + ".");
  return v.As<Napi::Object>();
}
inline double number(const Napi::Object& o, const char* key) {
  const Napi::Value v = o.Get(key);
  if (!v.IsNumber()) throw Error("BAD_ARGUMENT", std::string("Expected a number for ") + key + ".");
  const double x = v.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(x)) throw Error("BAD_ARGUMENT", std::string("Expected a finite number for ") + key + ".");
  return x;
}
inline float single(const Napi::Object& o, const char* key) {
  const double x = number(o, key);
  if (std::abs(x) > std::numeric_limits<float>::max())
    throw Error("BAD_ARGUMENT",
        std::string("Expected a number that single precision holds for ") + key + " but received one beyond 3.4e38.");
  return static_cast<float>(x);
}
inline int64_t integer(
    const Napi::Object& o, const char* key, int64_t lo = 0, int64_t hi = std::numeric_limits<int32_t>::max()) {
  const double x = number(o, key);
  if (x != std::floor(x) || x < static_cast<double>(lo) || x > static_cast<double>(hi))
    throw Error("BAD_ARGUMENT", std::string("Expected a whole number between ") + std::to_string(lo) + " and " +
                                    std::to_string(hi) + " for " + key + " but received " + std::to_string(x) + ".");
  return static_cast<int64_t>(x);
}
inline bool boolean(const Napi::Object& o, const char* key, bool otherwise) {
  const Napi::Value v = o.Get(key);
  if (v.IsUndefined()) return otherwise;
  if (!v.IsBoolean()) throw Error("BAD_ARGUMENT", std::string("Expected true or false for ") + key + ".");
  return v.As<Napi::Boolean>().Value();
}
// one(element) of each element of an array.
template <class F>
auto list(const Napi::Value& v, const char* what, const F& one) {
  if (!v.IsArray()) throw Error("BAD_ARGUMENT", std::string("Expected an array for ") + what + ".");
  const auto array = v.As<Napi::Array>();
  std::vector<decltype(one(v))> out;
  for (uint32_t i = 0; i < array.Length(); i++) out.push_back(one(array.Get(i)));
  return out;
}

inline std::string text(const Napi::Value& v, const char* what) {
  if (!v.IsString()) throw Error("BAD_ARGUMENT", std::string("Expected a string for ") + what + ".");
  return v.As<Napi::String>().Utf8Value();
}
inline std::string string(const Napi::Object& o, const char* key) { return text(o.Get(key), key); }
inline int64_t count(const Napi::Value& v, const char* what, int64_t lo, int64_t hi) {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : -1;
  if (!(x >= static_cast<double>(lo) && x <= static_cast<double>(hi)) || x != std::floor(x))
    throw Error("BAD_ARGUMENT", std::string("Expected a whole number between ") + std::to_string(lo) + " and " +
                                    std::to_string(hi) + " for " + what + ".");
  return static_cast<int64_t>(x);
}

template <class T>
struct TypedName;
template <>
struct TypedName<Napi::Float32Array> {
  static constexpr napi_typedarray_type type = napi_float32_array;
  static constexpr const char* name = "Float32Array";
};
template <>
struct TypedName<Napi::Float64Array> {
  static constexpr napi_typedarray_type type = napi_float64_array;
  static constexpr const char* name = "Float64Array";
};
template <>
struct TypedName<Napi::Int32Array> {
  static constexpr napi_typedarray_type type = napi_int32_array;
  static constexpr const char* name = "Int32Array";
};
template <>
struct TypedName<Napi::Uint8Array> {
  static constexpr napi_typedarray_type type = napi_uint8_array;
  static constexpr const char* name = "Uint8Array";
};

template <class T>
T typed(const Napi::Value& v, const char* what, int64_t length = -1) {
  if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != TypedName<T>::type)
    throw Error("BAD_ARGUMENT", std::string("Expected a ") + TypedName<T>::name + " for " + what + ".");
  T a = v.As<T>();
  if (length >= 0 && static_cast<int64_t>(a.ElementLength()) != length)
    throw Error("BAD_ARGUMENT", std::string("Expected ") + std::to_string(length) + " entries for " + what +
                                    " but received " + std::to_string(a.ElementLength()) + ".");
  return a;
}

// A new array of zeros. Made by JavaScript, since Node-API ends the process where there is no memory for one; so
// nothing that points into an array may be older.
template <class T>
T fresh(Napi::Env env, int64_t length) {
  const auto size = Napi::Number::New(env, static_cast<double>(length));
  try {
    return typed<T>(env.Global().Get(TypedName<T>::name).template As<Napi::Function>().New({size}), "a result", length);
  } catch (const Napi::Error&) {
    throw Error("OUT_OF_MEMORY",
        "Not enough memory for a " + std::string(TypedName<T>::name) + " of " + std::to_string(length) + " entries.");
  }
}

}  // namespace ft
