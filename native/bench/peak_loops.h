// Loops of nothing but independent multiply-adds, one per kind of arithmetic, with the best instruction that the
// processor has.
#pragma once
#include <cstdint>

namespace ft {

struct PeakLoop {
  void (*run)(int64_t rounds) = nullptr;
  double operations = 0;  // a round
};

PeakLoop peak_fp32();
PeakLoop peak_bf16();
PeakLoop peak_int8();

}  // namespace ft
