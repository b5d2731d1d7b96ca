// The compute threads of one trainer. run() hands out tasks by a counter, so which thread does what is left open;
// kernels give the same bits either way. Threads spin for some microseconds between tasks of a step and sleep
// otherwise.
#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ft {

class Pool {
 public:
  // At most most_threads() of them, since more than there are cores only get in each other's way. Throws THREADS where
  // the system gives no more threads.
  explicit Pool(int threads);
  ~Pool();
  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // The cores of this machine, but at least 4, so that what threads do is tested everywhere.
  static int most_threads();
  // Calls fn(task, thread) for task 0 .. tasks - 1 and returns when all are done. Owned by one caller at a time. Where
  // a task throws, the tasks not begun are left out, and the first exception is thrown here once no thread is at work.
  void run(int tasks, const std::function<void(int, int)>& fn);

 private:
  void work(int thread);
  void drain(int thread);
  void stop();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<int> next_{0}, busy_{0};
  std::atomic<bool> stop_{false};
  int tasks_ = 0;
  std::exception_ptr error_;  // the first of a run; guarded by mutex_ until all have checked in
  const std::function<void(int, int)>* fn_ = nullptr;
};

}  // namespace ft
