// The compute threads of one trainer. run() hands out tasks by a counter, so which thread does what is left open;
// kernels give the same bits either way. Threads spin for some microseconds between tasks of a step and sleep
// otherwise.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ft {

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Calls fn(task, thread) for task 0 .. tasks - 1 and returns when all are done. Owned by one caller at a time.
  void run(int tasks, const std::function<void(int, int)>& fn);

 private:
  void work(int thread);
  void drain(int thread);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<int> next_{0}, busy_{0};
  std::atomic<bool> stop_{false};
  int tasks_ = 0;
  const std::function<void(int, int)>* fn_ = nullptr;
};

}  // namespace ft
