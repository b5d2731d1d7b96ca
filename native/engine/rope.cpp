#include "rope.h"

#include <cmath>
#include <cstring>

namespace ft {

void RopeAngles::reach(int positions) {
  if (positions <= positions_) return;
  const int half = table_.dim / 2;
  cos_.resize(static_cast<size_t>(positions) * half);
  sin_.resize(cos_.size());
  for (int t = positions_; t < positions; t++)
    for (int i = 0; i < half; i++) {
      const double factor = table_.factors.empty() ? 1.0 : table_.factors[i];
      const double angle = t * (std::pow(table_.theta, -2.0 * i / table_.dim) / factor);
      cos_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::cos(angle) * table_.magnitude);
      sin_[static_cast<size_t>(t) * half + i] = static_cast<float>(std::sin(angle) * table_.magnitude);
    }
  positions_ = positions;
}

void RopeAngles::lay_out(const std::vector<Sequence>& sequences, float* cos, float* sin) {
  const size_t half = table_.dim / 2;
  for (const auto& s : sequences) {
    reach(s.length);
    std::memcpy(cos + s.first * half, cos_.data(), sizeof(float) * s.length * half);
    std::memcpy(sin + s.first * half, sin_.data(), sizeof(float) * s.length * half);
  }
}

}  // namespace ft
