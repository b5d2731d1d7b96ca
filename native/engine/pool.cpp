#include "pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define FT_PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define FT_PAUSE() asm volatile("yield")
#else
#define FT_PAUSE() ((void)0)
#endif

namespace ft {

namespace {
constexpr int kSpins = 2000;  // some tens of microseconds: longer than the gap between two kernels of a step
}

int Pool::most_threads() { return std::max(4, static_cast<int>(std::thread::hardware_concurrency())); }

Pool::Pool(int threads) {
  threads = std::min(threads, most_threads());
  workers_.reserve(std::max(1, threads) - 1);
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& e) {
    const size_t have = workers_.size() + 1;
    stop();
    throw Error("THREADS", "Expected " + std::to_string(threads) + " compute threads but the system gave " +
                               std::to_string(have) + " (" + e.what() +
                               "). Use fewer threads or workers, or raise the limit on threads (ulimit -u).");
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& t : workers_) t.join();
}

void Pool::drain(int thread) {
  try {
    for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) (*fn_)(i, thread);
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
    next_.store(tasks_, std::memory_order_relaxed);
  }
}

void Pool::run(int tasks, const std::function<void(int, int)>& fn) {
  if (workers_.empty() || tasks <= 1) {
    for (int i = 0; i < tasks; i++) fn(i, 0);
    return;
  }
  fn_ = &fn;
  tasks_ = tasks;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  drain(0);
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; spin++) {
    if (spin < kSpins) FT_PAUSE();
    else std::this_thread::yield();
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Pool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && epoch_.load(std::memory_order_acquire) == seen && !stop_; spin++) FT_PAUSE();
    if (epoch_.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || epoch_.load(std::memory_order_acquire) != seen; });
    }
    if (stop_) return;
    seen = epoch_.load(std::memory_order_acquire);
    drain(thread);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace ft
