// Row-wise kernels, written once for every set. T is the Act type: float or bf16_t.
template <class T>
inline T* row_ptr(void* p, int64_t ld, int64_t t) {
  return static_cast<T*>(p) + t * ld;
}
template <class T>
inline const T* row_ptr(const void* p, int64_t ld, int64_t t) {
  return static_cast<const T*>(p) + t * ld;
}

// fn(i) on whole vectors, then tail(i) on single elements.
#define FT_LOOP(d, vec, tail)                 \
  {                                           \
    int i = 0;                                \
    for (; i + FT_VL <= (d); i += FT_VL) vec; \
    for (; i < (d); i++) tail;                \
  }

template <class T>
inline void rmsnorm_fwd_t(
    const float* x, int64_t ldx, const float* w, float eps, int d, void* y, int64_t ldy, float* rstd, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const float* a = x + t * ldx;
    T* o = row_ptr<T>(y, ldy, t);
    vf acc = vset(0);
    float rest = 0;
    FT_LOOP(d, (acc += vload(a + i) * vload(a + i)), (rest += a[i] * a[i]))
    const float r = 1.0f / std::sqrt((vsum(acc) + rest) / d + eps);
    rstd[t] = r;
    FT_LOOP(d, (vstore(o + i, vload(a + i) * r * vload(w + i))), (store1(o + i, a[i] * r * w[i])))
  }
}
template <class T>
inline void rmsnorm_again_t(
    const void* x, int64_t ldx, const float* w, const float* rstd, int d, void* y, int64_t ldy, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const T* a = row_ptr<T>(x, ldx, t);
    T* o = row_ptr<T>(y, ldy, t);
    const float r = rstd[t];
    FT_LOOP(d, (vstore(o + i, vload(a + i) * r * vload(w + i))), (store1(o + i, load1(a + i) * r * w[i])))
  }
}
// With xh = x * rstd and g = dy * w: dx = rstd * (g - xh * mean(g * xh)).
template <class T>
inline void rmsnorm_bwd_t(const float* dy, int64_t lddy, const void* x, int64_t ldx, const float* w, const float* rstd,
    int d, float* dx, int64_t lddx, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const float* g = dy + t * lddy;
    const T* a = row_ptr<T>(x, ldx, t);
    float* o = dx + t * lddx;
    const float r = rstd[t];
    vf acc = vset(0);
    float rest = 0;
    FT_LOOP(d, (acc += vload(g + i) * vload(w + i) * vload(a + i)), (rest += g[i] * w[i] * load1(a + i)))
    const float c = (vsum(acc) + rest) * r * r / d;
    FT_LOOP(d, (vstore(o + i, vload(o + i) + r * (vload(g + i) * vload(w + i) - vload(a + i) * c))),
        (o[i] += r * (g[i] * w[i] - load1(a + i) * c)))
  }
}
template <class T>
inline void rope_t(void* x, int64_t ldx, int heads, int head_dim, int rope_dim, bool interleaved, const float* cosv,
    const float* sinv, float sign, int t0, int t1) {
  const int half = rope_dim / 2;
  for (int t = t0; t < t1; t++) {
    const float* c = cosv + static_cast<int64_t>(t) * half;
    const float* s = sinv + static_cast<int64_t>(t) * half;
    for (int h = 0; h < heads; h++) {
      T* p = row_ptr<T>(x, ldx, t) + h * head_dim;
      if (interleaved) {
        for (int i = 0; i < half; i++) {
          const float a = load1(p + 2 * i), b = load1(p + 2 * i + 1);
          store1(p + 2 * i, a * c[i] - b * sign * s[i]);
          store1(p + 2 * i + 1, b * c[i] + a * sign * s[i]);
        }
        continue;
      }
      FT_LOOP(
          half,
          {
            const vf a = vload(p + i);
            const vf b = vload(p + half + i);
            const vf cc = vload(c + i);
            const vf ss = vload(s + i) * sign;
            vstore(p + i, a * cc - b * ss);
            vstore(p + half + i, b * cc + a * ss);
          },
          {
            const float a = load1(p + i);
            const float b = load1(p + half + i);
            store1(p + i, a * c[i] - b * sign * s[i]);
            store1(p + half + i, b * c[i] + a * sign * s[i]);
          })
    }
  }
}
template <class T>
inline void swiglu_fwd_t(const void* gu, int64_t ld, int f, void* act, int64_t ld_act, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const T* g = row_ptr<T>(gu, ld, t);
    const T* u = g + f;
    T* o = row_ptr<T>(act, ld_act, t);
    FT_LOOP(
        f,
        {
          const vf x = vload(g + i);
          vstore(o + i, x * vsigmoid(x) * vload(u + i));
        },
        {
          const float x = load1(g + i);
          store1(o + i, x * vsigmoid(vset(x))[0] * load1(u + i));
        })
  }
}
// s = sigmoid(g): d(silu) = s * (1 + g * (1 - s)). The activation comes out again along the way.
template <class T>
inline void swiglu_bwd_t(const void* gu, int64_t ld, int f, const void* dact, int64_t ldd, void* dgu, int64_t ldo,
    void* act, int64_t ld_act, int t0, int t1) {
  auto one = [](vf x, vf y, vf e, vf& dg, vf& du, vf& a) {
    const vf s = vsigmoid(x), silu = x * s;
    dg = e * y * (s + silu * (1.0f - s));
    du = e * silu;
    a = silu * y;
  };
  for (int t = t0; t < t1; t++) {
    const T* g = row_ptr<T>(gu, ld, t);
    const T* u = g + f;
    const T* d = row_ptr<T>(dact, ldd, t);
    T* og = row_ptr<T>(dgu, ldo, t);
    T* ou = og + f;
    T* oa = row_ptr<T>(act, ld_act, t);
    vf dg, du, a;
    FT_LOOP(
        f,
        {
          one(vload(g + i), vload(u + i), vload(d + i), dg, du, a);
          vstore(og + i, dg);
          vstore(ou + i, du);
          vstore(oa + i, a);
        },
        {
          one(vset(load1(g + i)), vset(load1(u + i)), vset(load1(d + i)), dg, du, a);
          store1(og + i, dg[0]);
          store1(ou + i, du[0]);
          store1(oa + i, a[0]);
        })
  }
}
template <class T>
inline void to_act_t(const float* x, int64_t ldx, int d, void* y, int64_t ldy, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const float* a = x + t * ldx;
    T* o = row_ptr<T>(y, ldy, t);
    FT_LOOP(d, vstore(o + i, vload(a + i)), store1(o + i, a[i]))
  }
}
template <class T>
inline void from_act_t(const void* x, int64_t ldx, int d, float* y, int64_t ldy, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const T* a = row_ptr<T>(x, ldx, t);
    float* o = y + t * ldy;
    FT_LOOP(d, vstore(o + i, vload(a + i)), o[i] = load1(a + i))
  }
}
template <class T>
inline void add_bias_t(void* x, int64_t ldx, const float* bias, int d, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    T* o = row_ptr<T>(x, ldx, t);
    FT_LOOP(d, vstore(o + i, vload(o + i) + vload(bias + i)), store1(o + i, load1(o + i) + bias[i]))
  }
}
template <class T>
inline void softmax_tile_t(const float* logits, int64_t ld, int v0, int n, const int32_t* target, float* maxv,
    float* sum, float* tl, void* p, int64_t ldp, float* rescale, int t0, int t1) {
  for (int t = t0; t < t1; t++) {
    const float* l = logits + t * ld;
    vf m = vset(maxv[t]);
    float best = maxv[t];
    FT_LOOP(n, (m = vmax(m, vload(l + i))), (best = l[i] > best ? l[i] : best))
    for (int j = 0; j < FT_VL; j++) best = m[j] > best ? m[j] : best;
    const float scale = exp1(maxv[t] - best);
    vf acc = vset(0);
    float rest = 0;
    if (p) {
      T* o = row_ptr<T>(p, ldp, t);
      FT_LOOP(
          n,
          {
            const vf e = vexp(vload(l + i) - best);
            acc += e;
            vstore(o + i, e);
          },
          {
            const float e = exp1(l[i] - best);
            rest += e;
            store1(o + i, e);
          })
      for (int j = n; j < round_up(n, kColPad); j++) store1(o + j, 0.0f);
      rescale[t] = scale;
    } else {
      FT_LOOP(n, (acc += vexp(vload(l + i) - best)), (rest += exp1(l[i] - best)))
    }
    sum[t] = sum[t] * scale + (vsum(acc) + rest);
    maxv[t] = best;
    if (target[t] >= v0 && target[t] < v0 + n) tl[t] = l[target[t] - v0];
  }
}

// dispatch on the Act type
#define FT_DISPATCH(name, type, ...) \
  ((type) == Dtype::F32 ? name##_t<float>(__VA_ARGS__) : name##_t<bf16_t>(__VA_ARGS__))

inline void rmsnorm_fwd(const float* x, int64_t ldx, const float* w, float eps, int d, Dtype type, void* y, int64_t ldy,
    float* rstd, int t0, int t1) {
  FT_DISPATCH(rmsnorm_fwd, type, x, ldx, w, eps, d, y, ldy, rstd, t0, t1);
}
inline void rmsnorm_bwd(const float* dy, int64_t lddy, Dtype type, const void* x, int64_t ldx, const float* w,
    const float* rstd, int d, float* dx, int64_t lddx, int t0, int t1) {
  FT_DISPATCH(rmsnorm_bwd, type, dy, lddy, x, ldx, w, rstd, d, dx, lddx, t0, t1);
}
inline void rmsnorm_again(Dtype type, const void* x, int64_t ldx, const float* w, const float* rstd, int d, void* y,
    int64_t ldy, int t0, int t1) {
  FT_DISPATCH(rmsnorm_again, type, x, ldx, w, rstd, d, y, ldy, t0, t1);
}
inline void rope(Dtype type, void* x, int64_t ldx, int heads, int head_dim, int rope_dim, bool il, const float* c,
    const float* s, float sign, int t0, int t1) {
  FT_DISPATCH(rope, type, x, ldx, heads, head_dim, rope_dim, il, c, s, sign, t0, t1);
}
inline void swiglu_fwd(Dtype type, const void* gu, int64_t ld, int f, void* act, int64_t ld_act, int t0, int t1) {
  FT_DISPATCH(swiglu_fwd, type, gu, ld, f, act, ld_act, t0, t1);
}
inline void swiglu_bwd(Dtype type, const void* gu, int64_t ld, int f, const void* dact, int64_t ldd, void* dgu,
    int64_t ldo, void* act, int64_t ld_act, int t0, int t1) {
  FT_DISPATCH(swiglu_bwd, type, gu, ld, f, dact, ldd, dgu, ldo, act, ld_act, t0, t1);
}
inline void to_act(const float* x, int64_t ldx, int d, Dtype type, void* y, int64_t ldy, int t0, int t1) {
  FT_DISPATCH(to_act, type, x, ldx, d, y, ldy, t0, t1);
}
inline void from_act(Dtype type, const void* x, int64_t ldx, int d, float* y, int64_t ldy, int t0, int t1) {
  FT_DISPATCH(from_act, type, x, ldx, d, y, ldy, t0, t1);
}
inline void add_bias(Dtype type, void* x, int64_t ldx, const float* bias, int d, int t0, int t1) {
  FT_DISPATCH(add_bias, type, x, ldx, bias, d, t0, t1);
}
inline void softmax_tile(const float* l, int64_t ld, int v0, int n, const int32_t* target, float* maxv, float* sum,
    float* tl, Dtype type, void* p, int64_t ldp, float* rescale, int t0, int t1) {
  FT_DISPATCH(softmax_tile, type, l, ld, v0, n, target, maxv, sum, tl, p, ldp, rescale, t0, t1);
}

// torch.optim.AdamW: theta *= 1 - lr wd; m, v; theta -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps)
inline void adamw(float* theta, const float* g, const uint8_t* mask, float* m, float* v, int64_t n, float gs, float lr,
    float b1, float b2, float eps, float wd, float bias1, float bias2) {
  const float root2 = std::sqrt(bias2), size = lr / bias1;
  for (int64_t i = 0; i < n; i++) {
    if (mask && !mask[i]) continue;
    const float x = g[i] * gs;
    m[i] = b1 * m[i] + (1 - b1) * x;
    v[i] = b2 * v[i] + (1 - b2) * x * x;
    theta[i] = theta[i] * (1 - lr * wd) - size * m[i] / (std::sqrt(v[i]) / root2 + eps);
  }
}

// The sum of squared errors of 32 values rounded to multiples of `step`.
inline float rounding_error(const float* x, float inv) {
  vf sum = {};
  for (int i = 0; i < kGroup; i += FT_VL) {
    const vf y = vload(x + i) * inv, d = y - ((y + 12582912.0f) - 12582912.0f);
    sum += d * d;
  }
  return vsum(sum);
}

inline void quantize_rows(
    const float* x, int64_t ldx, int rows, int cols, bool levels, int8_t* q, int64_t ldq, float* scale) {
  // Values that came from few levels are multiples of a step, or nearly so: a scale in tune with it rounds them
  // (almost) exactly, where 127 steps to the largest value would not.
  constexpr int kMost = 127, kLeast = 80;
  for (int r = 0; r < rows; r++) {
    for (int64_t g = 0; g < ldq / kGroup; g++) {
      const int n = cols - g * kGroup < kGroup ? static_cast<int>(cols - g * kGroup) : kGroup;
      alignas(64) float v[kGroup] = {};
      std::memcpy(v, x + r * ldx + g * kGroup, sizeof(float) * n);
      vf most = {};
      for (int i = 0; i < kGroup; i += FT_VL) most = vmax(most, vmax(vload(v + i), -vload(v + i)));
      float top = 0;
      for (int i = 0; i < FT_VL; i++) top = most[i] > top ? most[i] : top;
      int steps = kMost;
      float least = INFINITY;
      for (int s = kMost; levels && top > 0 && s >= kLeast && least > 1e-10f * top * top; s--) {
        const float step = top / static_cast<float>(s),
                    error = rounding_error(v, static_cast<float>(s) / top) * step * step;
        if (error >= least) continue;
        least = error;
        steps = s;
      }
      const float inv = top > 0 ? static_cast<float>(steps) / top : 0.0f;
      scale[r * (ldq / kGroup) + g] = top / static_cast<float>(steps);
      for (int i = 0; i < kGroup; i++) q[r * ldq + g * kGroup + i] = static_cast<int8_t>(std::nearbyint(v[i] * inv));
    }
  }
}
