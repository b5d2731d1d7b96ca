// Random operands for the kernel checks, and the measure of an error.
#pragma once
#include <cmath>
#include <cstring>
#include <vector>

#include "../kernels/kernels.h"
#include "../engine/memory.h"

namespace ft {

class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u + 12345u) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state_ >> 33);
  }
  // roughly normal, with a few outliers as real activations have
  float value() {
    const float u = static_cast<float>(next() % 65536) / 32768.0f - 1.0f,
                v = static_cast<float>(next() % 65536) / 32768.0f - 1.0f;
    return (u + v) * (next() % 97 == 0 ? 8.0f : 1.0f);
  }

 private:
  uint64_t state_;
};

inline float widen(bf16_t h) {
  const uint32_t u = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline bf16_t narrow(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return static_cast<bf16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// A random matrix of a type, laid out as the engine lays it out, with its exact values.
class Operand {
 public:
  Operand(Random& random, int rows, int cols, Dtype type) : cols_(cols), values_(static_cast<size_t>(rows) * cols) {
    const int64_t ld = round_up(cols, kColPad);
    data_ = Buffer(size_of(type) * round_up(rows, kRowPad) * ld);
    scale_ = Buffer(sizeof(float) * rows * (ld / kGroup));
    view_ = {type, cols, ld, data_.data(), scale_.as<float>()};
    for (int64_t i = 0; type == Dtype::Q8 && i < rows * (ld / kGroup); i++)
      scale_.as<float>()[i] = 0.01f + 0.02f * static_cast<float>(random.next() % 100) / 100.0f;
    for (int r = 0; r < rows; r++)
      for (int c = 0; c < cols; c++) {
        const float x = random.value();
        double& exact = values_[static_cast<size_t>(r) * cols + c];
        if (type == Dtype::F32) exact = data_.as<float>()[r * ld + c] = x;
        if (type == Dtype::BF16) exact = widen(data_.as<bf16_t>()[r * ld + c] = narrow(x));
        if (type == Dtype::Q8) {
          const int q = static_cast<int>(random.next() % 255) - 127;
          data_.as<int8_t>()[r * ld + c] = static_cast<int8_t>(q);
          exact = static_cast<double>(q) * scale_.as<float>()[r * (ld / kGroup) + c / kGroup];
        }
      }
  }
  double at(int row, int col) const { return values_[static_cast<size_t>(row) * cols_ + col]; }
  const View& view() const { return view_; }
  uint8_t* data() const { return data_.data(); }

 private:
  int cols_;
  std::vector<double> values_;
  Buffer data_, scale_;
  View view_;
};

// |got - want| / |want| over all that was added.
class Error2 {
 public:
  void add(double got, double want) {
    difference_ += (got - want) * (got - want);
    norm_ += want * want;
    // NaN must not pass as no error
    if (!std::isfinite(got)) difference_ = INFINITY;
  }
  double relative() const { return norm_ > 0 ? std::sqrt(difference_ / norm_) : std::sqrt(difference_); }

 private:
  double difference_ = 0, norm_ = 0;
};

}  // namespace ft
