// Random operands for the kernel checks, room with guards for what they write, and the measure of an error.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
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

// Room for what a kernel writes, larger than it needs and full of one byte: whatever else is written shows.
class Guarded {
 public:
  Guarded(Dtype type, int rows, int cols, int64_t ld)
      : rows_(rows), bytes_(static_cast<size_t>(ld) * size_of(type)), data_(bytes_ * (rows + 2 * kSpare)) {
    std::memset(data_.data(), kByte, data_.size());
    view_ = {type, cols, ld, data_.data() + kSpare * bytes_, nullptr};
  }
  // With Act's layout.
  Guarded(Dtype type, int rows, int cols) : Guarded(type, rows, cols, round_up(cols, kColPad)) {}

  const View& view() const { return view_; }
  double at(int row, int col) const {
    const int64_t i = row * view_.ld + col;
    return view_.type == Dtype::F32 ? static_cast<const float*>(view_.data)[i]
                                    : widen(static_cast<const bf16_t*>(view_.data)[i]);
  }
  // Starts as `x` is.
  void copy(const Operand& x, int rows) {
    for (int r = 0; r < rows; r++)
      std::memcpy(row(r), x.data() + r * x.view().ld * size_of(view_.type), view_.cols * size_of(view_.type));
  }
  // Whether nothing was written but columns c0 .. c1 of rows r0 .. r1.
  bool only(int r0, int r1, int c0, int c1) const {
    const int width = static_cast<int>(size_of(view_.type));
    for (int r = -kSpare; r < rows_ + kSpare; r++)
      for (int64_t i = 0; i < static_cast<int64_t>(bytes_); i++)
        if (row(r)[i] != kByte && (r < r0 || r >= r1 || i < c0 * width || i >= c1 * width)) return false;
    return true;
  }
  bool only(int r0, int r1) const { return only(r0, r1, 0, view_.cols); }
  bool same(const Guarded& o) const { return std::memcmp(data_.data(), o.data_.data(), data_.size()) == 0; }

 private:
  static constexpr int kSpare = 33;  // more than any kernel takes at a time
  static constexpr uint8_t kByte = 0xa5;
  uint8_t* row(int r) const { return data_.data() + (r + kSpare) * static_cast<int64_t>(bytes_); }
  int rows_;
  size_t bytes_;
  Buffer data_;
  View view_;
};

// The worst error of an element by check: |got - want| in units of a scale that says how large the terms of its sum
// are.
class Report {
 public:
  class Worst {
   public:
    explicit Worst(double& worst, Dtype type) : worst_(worst), slack_(type == Dtype::BF16 ? 1.0 / 256 : 0) {}
    // Of an output in bf16 its last rounding does not count.
    void add(double got, double want, double scale) {
      const double off = std::max(0.0, std::fabs(got - want) - slack_ * std::fabs(want));
      const double error = off == 0 ? 0 : off / scale;
      if (!(error <= worst_)) worst_ = std::isnan(error) ? INFINITY : error;
    }

   private:
    double& worst_;
    double slack_;
  };
  Worst of(const std::string& name, Dtype type = Dtype::F32) { return Worst(errors[name], type); }
  // Shows as a check of its own where it is not so.
  void need(bool fine, const std::string& what) {
    if (!fine) errors[what] = 1;
  }

  std::map<std::string, double> errors;
};

}  // namespace ft
