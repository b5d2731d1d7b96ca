// Sines and cosines of a RoPE table by position, made as far as they were asked for.
#pragma once
#include <vector>

#include "description.h"
#include "runner.h"

namespace ft {

class RopeAngles {
 public:
  explicit RopeAngles(const RopeTable& table) : table_(table) {}
  // Rows of cos and sin [T][dim / 2] for the tokens of these sequences.
  void lay_out(const std::vector<Sequence>& sequences, float* cos, float* sin);

 private:
  void reach(int positions);

  RopeTable table_;
  std::vector<float> cos_, sin_;  // [position][dim / 2]
  int positions_ = 0;
};

}  // namespace ft
