#include "transpose.h"

#include <cstring>

namespace ft {

namespace {

typedef uint16_t v8 __attribute__((vector_size(16)));

// Lanes of two vectors; GCC has the name that clang knows since version 12.
#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define FT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, v8{__VA_ARGS__})
#endif

// 8 x 8 16-bit values by three rounds of interleaving rows i and i + 4.
inline void block8(const uint16_t* x, int64_t ld, uint16_t* out, int64_t ldo) {
  v8 a[8], b[8];
  for (int i = 0; i < 8; i++) std::memcpy(&a[i], x + i * ld, 16);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) {
      b[2 * i] = FT_SHUFFLE(a[i], a[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
      b[2 * i + 1] = FT_SHUFFLE(a[i], a[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    std::memcpy(a, b, sizeof a);
  }
  for (int i = 0; i < 8; i++) std::memcpy(out + i * ldo, &a[i], 16);
}

template <class T>
void plain(const T* x, int64_t ld, int c0, int c1, T* out, int64_t ldo, int t0, int t1) {
  for (int c = c0; c < c1; c++)
    for (int t = t0; t < t1; t++) out[c * ldo + t] = x[t * ld + c];
}

}  // namespace

void transpose_rows(Dtype type, const void* x, int64_t ld, int cols, void* out, int64_t ldo, int t0, int t1) {
  if (type == Dtype::F32)
    return plain(static_cast<const float*>(x), ld, 0, cols, static_cast<float*>(out), ldo, t0, t1);
  const auto* from = static_cast<const uint16_t*>(x);
  auto* to = static_cast<uint16_t*>(out);
  int t = t0;
  for (; t + 8 <= t1; t += 8) {
    int c = 0;
    for (; c + 8 <= cols; c += 8) block8(from + t * ld + c, ld, to + c * ldo + t, ldo);
    plain(from, ld, c, cols, to, ldo, t, t + 8);
  }
  plain(from, ld, 0, cols, to, ldo, t, t1);
}

}  // namespace ft
