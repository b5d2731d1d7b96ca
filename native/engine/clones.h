// FT_WIDE(result, name, parameters, arguments) { ... }: a function that is compiled for wider vectors as well and
// chosen at run time. For loops that go element by element, so that the bits are the same.
#pragma once

#if defined(__x86_64__)
#include "../kernels/cpu.h"

namespace ft {
inline int vector_level() {
  static const int level = !cpu_supports("avx2")                                    ? 0
                           : !cpu_supports("avx512f") || !cpu_supports("avx512bw")  ? 1
                           : !cpu_supports("avx512dq") || !cpu_supports("avx512vl") ? 1
                                                                                    : 2;
  return level;
}
}  // namespace ft

#define FT_WIDE(result, name, parameters, arguments)                                                                 \
  static inline __attribute__((always_inline)) result name##_plain parameters;                                       \
  static __attribute__((target("avx2,popcnt"))) result name##_avx2 parameters { return name##_plain arguments; }     \
  static __attribute__((target("avx2,popcnt,avx512f,avx512bw,avx512dq,avx512vl"))) result name##_avx512 parameters { \
    return name##_plain arguments;                                                                                   \
  }                                                                                                                  \
  static result name parameters {                                                                                    \
    if (vector_level() == 2) return name##_avx512 arguments;                                                         \
    if (vector_level() == 1) return name##_avx2 arguments;                                                           \
    return name##_plain arguments;                                                                                   \
  }                                                                                                                  \
  static inline __attribute__((always_inline)) result name##_plain parameters
#else
#define FT_WIDE(result, name, parameters, arguments) static result name parameters
#endif
