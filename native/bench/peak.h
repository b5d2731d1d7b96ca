// What this processor can do at best, measured: the yardstick of the benchmarks.
#pragma once

namespace ft {

struct Peak {
  double fp32 = 0, bf16 = 0, int8 = 0;  // 1e9 operations a second, multiply and add counted as two; 0: no instruction
  double read = 0;                      // 1e9 bytes a second
};

Peak measure_peak(int threads);

}  // namespace ft
