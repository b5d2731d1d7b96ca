// Preloaded into node: std::thread gets no thread from the system once FEDTUNE_FAIL_THREADS is in the environment of
// the process. Node's own threads come from libuv and V8, never through libstdc++.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  Dl_info caller;
  const bool standard =
      dladdr(__builtin_return_address(0), &caller) && caller.dli_fname && std::strstr(caller.dli_fname, "libstdc++");
  if (standard && std::getenv("FEDTUNE_FAIL_THREADS")) return EAGAIN;
  return real(thread, attributes, start, argument);
}
