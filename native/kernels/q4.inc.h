// Weights in 4 bits. A group of 32 has 16 levels: value = scale * (step * q + low) with q in 0 .. 15, where step * q +
// low is an int8. So a row unpacks to Q8 without rounding again, and products have kernels for Q8 only. The levels need
// not lie around 0: groups of files in 4 bits, with or without a minimum, keep theirs.
struct Q4Group {
  bf16_t scale;
  int8_t step, low;
};
static_assert(sizeof(Q4Group) == sizeof(float), "View::scale holds one a group");

typedef uint8_t q4_bytes __attribute__((vector_size(kGroup / 2)));

// The levels of values x (in -1 .. 1) times inv less shift: whole numbers in 0 .. most.
inline vf q4_levels(const float* x, float inv, float shift, float most) {
  const vf z = vmin(vmax(vload(x) * inv - shift, vset(0.0f)), vset(most));
  return (z + 12582912.0f) - 12582912.0f;
}

// The stored form of a grid m, m + d, m + 2 d ...; scale is in units of `unit`, which may round it.
struct Q4Grid {
  Q4Group group;
  float scale, most;  // scale as values in -1 .. 1 have it; the highest level that is an int8
  Q4Grid(float d, float m, float unit) {
    const float top = std::fabs(m + 15 * d) > std::fabs(m) ? std::fabs(m + 15 * d) : std::fabs(m), least = top / 127;
    const float fit = std::floor(d / least), step = fit > 1 ? fit : 1.0f;
    group.scale = f32_to_bf16((d / step > least ? d / step : least) * unit);
    scale = bf16_to_f32(group.scale) / unit;
    float low = std::nearbyint(m / scale);
    low = low < -127 ? -127 : low > 127 ? 127 : low;
    const float room = std::floor((127 - low) / step);
    most = room < 15 ? room : 15;
    group.step = static_cast<int8_t>(step);
    group.low = static_cast<int8_t>(low);
  }
  float inv() const { return 1 / (scale * group.step); }
  float shift() const { return static_cast<float>(group.low) / group.step; }
  // The sum of the squared errors of 32 values.
  float error(const float* x) const {
    vf sum = {};
    for (int i = 0; i < kGroup; i += FT_VL) {
      const vf q = q4_levels(x + i, inv(), shift(), most), off = vload(x + i) - (q * group.step + group.low) * scale;
      sum += off * off;
    }
    return vsum(sum);
  }
};

// Values in -1 .. 1 of which one is 1 or -1: the best of some grids. Even ones from the least to the greatest value;
// ones that cut the tails off a little; and for values that came from levels ones of fewer steps, as not every group
// has all of its levels.
inline Q4Grid q4_best(const float* x, bool levels, float unit) {
  float low = x[0], high = x[0];
  for (int i = 1; i < kGroup; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  Q4Grid best((high - low) / 15, low, unit);
  float least = best.error(x);
  auto take = [&](float d, float m) {
    const Q4Grid grid(d, m, unit);
    const float error = grid.error(x);
    if (!(error < least)) return;
    best = grid;
    least = error;
  };
  if (high == low) return best;
  for (float steps = 15.5f; steps <= 18; steps += 0.5f) {
    const float d = (high - low) / steps;
    take(d, (high + low) / 2 - 7.5f * d);
  }
  for (int steps = 14; levels && steps >= 8; steps--) take((high - low) / static_cast<float>(steps), low);
  return best;
}

inline void quantize_group_q4(const float* x, int n, bool levels, uint8_t* out, Q4Group& group) {
  alignas(64) float v[kGroup], q[kGroup];
  float top = 0;
  for (int i = 0; i < n; i++) top = std::fabs(x[i]) > top ? std::fabs(x[i]) : top;
  if (top < 1e-30f) {
    std::memset(out, 0, kGroup / 2);
    group = {0, 0, 0};
    return;
  }
  for (int i = 0; i < kGroup; i++) v[i] = x[i % n] / top;  // a shorter group over again, so that all count alike
  const Q4Grid grid = q4_best(v, levels, top);
  group = grid.group;
  for (int i = 0; i < kGroup; i += FT_VL) vstore(q + i, q4_levels(v + i, grid.inv(), grid.shift(), grid.most));
  for (int i = 0; i < kGroup / 2; i++)
    out[i] = static_cast<uint8_t>(static_cast<int>(q[i]) | static_cast<int>(q[i + kGroup / 2]) << 4);
}

inline void quantize_rows_q4(const View& x, int rows, bool levels, const View& q) {
  for (int r = 0; r < rows; r++) {
    const View to = q.from(r);
    const float* row = row_ptr<float>(x, r);
    for (int k = 0; k < q.ld; k += kGroup)
      quantize_group_q4(row + k, x.cols - k < kGroup ? x.cols - k : kGroup, levels,
          static_cast<uint8_t*>(to.data) + k / 2, reinterpret_cast<Q4Group*>(to.scale)[k / kGroup]);
  }
}

inline void quantize_rows(const View& x, int rows, bool levels, const View& q) {
  if (q.type == Dtype::Q4) quantize_rows_q4(x, rows, levels, q);
  else quantize_rows_q8(x, rows, levels, q);
}

inline void unpack_rows(const View& x, const View& y, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const View from = x.from(t), to = y.from(t);
    const auto* groups = reinterpret_cast<const Q4Group*>(from.scale);
    for (int64_t g = 0; g < x.ld / kGroup; g++) {
      q4_bytes both;
      std::memcpy(&both, static_cast<const uint8_t*>(from.data) + g * (kGroup / 2), sizeof both);
      // modulo 256, as int8 has it
      const auto step = static_cast<uint8_t>(groups[g].step), low = static_cast<uint8_t>(groups[g].low);
      const q4_bytes first = (both & 15) * step + low, second = (both >> 4) * step + low;
      auto* out = static_cast<uint8_t*>(to.data) + g * kGroup;
      std::memcpy(out, &first, sizeof first);
      std::memcpy(out + kGroup / 2, &second, sizeof second);
      to.scale[g] = bf16_to_f32(groups[g].scale);
    }
    std::memset(static_cast<uint8_t*>(to.data) + x.cols, 0, x.ld - x.cols);
  }
}
