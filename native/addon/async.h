// Work off the JavaScript thread that settles a promise.
#pragma once
#include <functional>
#include <memory>

#include "convert.h"

namespace ft {

using Work = std::function<void()>;                    // on a thread of libuv's pool; touches no JavaScript value
using Finish = std::function<Napi::Value(Napi::Env)>;  // on the JavaScript thread: the result
// Lives until the work is done, and goes before the promise settles: what the call holds (a lock, references).
using Held = std::shared_ptr<void>;

// Whatever work or finish throw rejects the promise as a typed error.
class AsyncCall : public Napi::AsyncWorker {
 public:
  static Napi::Promise start(Napi::Env env, Work work, Finish finish, Held held) {
    auto call = std::unique_ptr<AsyncCall>(new AsyncCall(env, std::move(work), std::move(finish), std::move(held)));
    const Napi::Promise promise = call->deferred_.Promise();
    call->Queue();
    call.release();  // it deletes itself when done
    return promise;
  }

  void Execute() override {
    try {
      work_();
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void OnOK() override {
    try {
      const Napi::Value result = guard(Env(), [&] {
        if (error_) std::rethrow_exception(error_);
        return finish_(Env());
      });
      held_.reset();
      deferred_.Resolve(result);
    } catch (const Napi::Error& e) {
      held_.reset();
      deferred_.Reject(e.Value());
    }
  }

 private:
  AsyncCall(Napi::Env env, Work work, Finish finish, Held held)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        finish_(std::move(finish)),
        held_(std::move(held)) {}

  Napi::Promise::Deferred deferred_;
  Work work_;
  Finish finish_;
  Held held_;
  std::exception_ptr error_;
};

// Runs `begin`, which reads the arguments and starts an AsyncCall; where it throws the promise is rejected, as one
// expects of a promise.
template <class F>
Napi::Value promised(Napi::Env env, F&& begin) {
  try {
    return guard(env, begin);
  } catch (const Napi::Error& e) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(e.Value());
    return deferred.Promise();
  }
}

}  // namespace ft
