// `Trainer` of src/native/binding.ts.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

#include "../engine/trainer.h"
#include "async.h"

namespace ft {

class TrainerHandle : public Napi::ObjectWrap<TrainerHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TrainerHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override { told_.set(env, 0); }

 private:
  // A batch whose arrays are copied, so that the caller may change or drop them while we work.
  struct OwnedBatch {
    std::vector<int32_t> tokens, lengths;
    std::vector<uint8_t> mask;
    Batch view() const;
  };
  // Holds the trainer for one call, an asynchronous one until it is done; throws BUSY where another one runs. V8 is
  // told then of the bytes held.
  struct Lock {
    explicit Lock(TrainerHandle& h) : handle(h) {
      if (h.busy_.exchange(true))
        throw Error("BUSY", "This trainer is at work in another call. Await it, or make a second trainer.");
    }
    ~Lock() {
      handle.busy_ = false;
      handle.tell();
    }
    TrainerHandle& handle;
  };
  static OwnedBatch batch(const Napi::Value& v);
  static std::vector<OwnedBatch> batches(const Napi::Value& v);
  static StepOptions step_options(const Napi::Value& v);
  static Napi::Value read(Napi::Env env, const Trainer& t, Slot slot);

  Trainer& trainer();  // throws DISPOSED
  void tell() { told_.set(Env(), trainer_ ? static_cast<int64_t>(trainer_->bytes()) : 0); }
  // fn(trainer) as a method of JavaScript.
  template <class F>
  auto locked(F&& fn) {
    return guard(Env(), [&] {
      Trainer& t = trainer();
      Lock lock(*this);
      return fn(t);
    });
  }
  // The three calls that compute: what to do off the JavaScript thread, and what to return then.
  std::pair<Work, Finish> evaluate_call(const Napi::CallbackInfo& info);
  std::pair<Work, Finish> gradient_call(const Napi::CallbackInfo& info);
  std::pair<Work, Finish> step_call(const Napi::CallbackInfo& info);
  template <std::pair<Work, Finish> (TrainerHandle::*Call)(const Napi::CallbackInfo&)>
  Napi::Value sync(const Napi::CallbackInfo& info);
  template <std::pair<Work, Finish> (TrainerHandle::*Call)(const Napi::CallbackInfo&)>
  Napi::Value async(const Napi::CallbackInfo& info);

  Napi::Value num_values(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value get_values(const Napi::CallbackInfo& info);
  void set_values(const Napi::CallbackInfo& info);
  void set_trainable(const Napi::CallbackInfo& info);
  void set_anchor(const Napi::CallbackInfo& info);
  void set_offset(const Napi::CallbackInfo& info);
  void reset_optimizer(const Napi::CallbackInfo& info);
  Napi::Value get_optimizer(const Napi::CallbackInfo& info);
  void set_optimizer(const Napi::CallbackInfo& info);
  Napi::Value take_gradient_sum(const Napi::CallbackInfo& info);
  Napi::Value take_profile(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::unique_ptr<Trainer> trainer_;
  std::atomic<bool> busy_{false};
  ExternalBytes told_;
};

}  // namespace ft
