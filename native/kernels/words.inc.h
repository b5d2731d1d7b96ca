// What products in floats are made of: `kPer` neighbours along the depth in a word. Singles: f32. A set with
// FT_PAIR_DOT(acc, x, y), acc + the products of the bf16 pairs of each lane, also has Pairs, for activations that are
// bf16 anyway.
struct Singles {
  static constexpr int kPer = 1;
  using Word = float;
  static vf load(const float* p) { return vload(p); }
  static vf all(float x) { return vset(x); }
  static vf mad(vf acc, vf x, vf y) { return acc + x * y; }
  // Words of row k of a matrix as it lies, which has `rows`.
  template <class T>
  static vf load_row(const T* x, int64_t ld, int64_t k, int) {
    return vload(x + k * ld);
  }
  // Words of n values of a row, and of rows x and y side by side; n is a multiple of FT_VL.
  static const float* along(const float* x, int, int, int, float*) { return x; }
  static const float* across(const float* x, int, int, int, float*) { return x; }
};
#ifdef FT_PAIR_DOT
struct Pairs {
  static constexpr int kPer = 2;
  using Word = int32_t;
  static vi load(const int32_t* p) { return iload(p); }
  static vi all(int32_t x) { return iset(x); }
  static vf mad(vf acc, vi x, vi y) { return FT_PAIR_DOT(acc, x, y); }
  static vi pair(const bf16_t* low, const bf16_t* high) {
    const vi a = (vi) __builtin_convertvector(*reinterpret_cast<const vh_u*>(low), vu);
    const vi b = (vi) __builtin_convertvector(*reinterpret_cast<const vh_u*>(high), vu);
    return a | (b << 16);
  }
  // Rows 2 k and 2 k + 1 of a matrix as it lies, which has `rows`.
  static vi load_row(const bf16_t* x, int64_t ld, int64_t k, int rows) {
    static const bf16_t zeros[FT_VL] = {};
    return pair(x + 2 * k * ld, 2 * k + 1 < rows ? x + (2 * k + 1) * ld : zeros);
  }
  // Rows of n values as [rows][n / 2] words. Rows and columns are multiples of 2 and FT_VL.
  static const int32_t* along(const float* x, int rows, int n, int ldx, int32_t* out) {
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < n; j += FT_VL)
        vstore(reinterpret_cast<bf16_t*>(out + r * (n / 2)) + j, vload(x + r * ldx + j));
    return out;
  }
  // As [rows / 2][n] words of a value and the one below it.
  static const int32_t* across(const float* x, int rows, int n, int ldx, int32_t* out) {
    for (int r = 0; r < rows; r += 2)
      for (int j = 0; j < n; j += FT_VL) {
        bf16_t low[FT_VL], high[FT_VL];
        vstore(low, vload(x + r * ldx + j));
        vstore(high, vload(x + (r + 1) * ldx + j));
        istore(out + r / 2 * n + j, pair(low, high));
      }
    return out;
  }
};
template <class T>
struct ProductsOf {
  using Type = Singles;
};
template <>
struct ProductsOf<bf16_t> {
  using Type = Pairs;
};
#else
template <class T>
struct ProductsOf {
  using Type = Singles;
};
#endif
