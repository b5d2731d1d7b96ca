// test_cpu: the kernels that are chosen, and each feature that a set asks for, as the engine finds it and as the
// compiler's runtime library does.
#include <cstdio>

#include "../kernels/cpu.h"
#include "../kernels/kernels.h"

#define SHOW(name) std::printf("%s %d %d\n", name, ft::cpu_supports(name), __builtin_cpu_supports(name) != 0)

int main() {
  std::printf("%s\n", ft::kernels_by_name("auto")->name);
  SHOW("fma");
  SHOW("avx2");
  SHOW("avxvnni");
  SHOW("avx512f");
  SHOW("avx512dq");
  SHOW("avx512bw");
  SHOW("avx512vl");
  SHOW("avx512vnni");
  SHOW("avx512bf16");
  SHOW("amx-bf16");
  SHOW("amx-tile");
}
