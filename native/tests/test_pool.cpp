// Pool under failure: tasks that throw, and a system that gives no more threads. Prints "ok NAME" for each check.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "../engine/error.h"
#include "../engine/pool.h"

// How many threads the "system" still gives; negative: as many as it has.
static int threads_left = -1;

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_left == 0) return EAGAIN;
  if (threads_left > 0) threads_left--;
  return real(thread, attributes, start, argument);
}

namespace {

void need(bool fine, const char* what) {
  if (!fine) {
    std::printf("FAILED %s\n", what);
    std::exit(1);
  }
}

// Sums 0 .. tasks - 1 to see that the pool still does its work.
void need_work(ft::Pool& pool, const char* what) {
  std::atomic<int> sum{0};
  pool.run(100, [&](int i, int) { sum += i; });
  need(sum == 4950, what);
}

// Every task from `from` on throws.
template <class Thrown>
void throws(int threads, int from, const char* name) {
  ft::Pool pool(threads);
  for (int repeat = 0; repeat < 200; repeat++) {
    std::atomic<int> begun{0}, ended{0};
    bool caught = false;
    try {
      pool.run(64, [&](int i, int) {
        begun++;
        struct End {
          std::atomic<int>& count;
          ~End() { count++; }
        } end{ended};
        if (i >= from) throw Thrown("planted");
      });
    } catch (const Thrown& e) {
      caught = std::strcmp(e.what(), "planted") == 0;
      // no task is at work any more, whose captures are about to go
      need(begun == ended, name);
    }
    need(caught, name);
    need_work(pool, name);
  }
  std::printf("ok %s\n", name);
}

struct Planted {
  explicit Planted(const char* what) : text(what) {}
  const char* what() const { return text; }
  const char* text;
};

void no_threads() {
  for (const int given : {0, 1, 2}) {
    threads_left = given;
    std::string code, text;
    try {
      ft::Pool pool(4);
    } catch (const ft::Error& e) {
      code = e.code;
      text = e.what();
    }
    threads_left = -1;
    need(code == "THREADS", "the error of no threads");
    need(text.find("Expected 4") != std::string::npos, "the text of no threads");
    need(text.find("gave " + std::to_string(given + 1)) != std::string::npos, "the number of threads given");
  }
  ft::Pool pool(4);
  need_work(pool, "a pool after one that failed");
  std::printf("ok no threads\n");
}

}  // namespace

int main() {
  throws<std::runtime_error>(1, 0, "a task that throws, one thread");
  throws<std::runtime_error>(4, 0, "every task throws");
  throws<std::runtime_error>(4, 40, "a late task throws");
  throws<Planted>(4, 10, "something that is no std::exception");
  no_threads();
  ft::Pool many(10000);
  need(many.threads() <= ft::Pool::most_threads(), "a bounded pool");
  std::printf("ok bounded\n");
  return 0;
}
