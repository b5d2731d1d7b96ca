// Row-wise kernels, written once for every set. T is the Act type: float or bf16_t.
template <class T>
inline T* row_ptr(const View& x, int64_t t) {
  return static_cast<T*>(x.data) + t * x.ld;
}

// fn(i) on whole vectors, then tail(i) on single elements.
#define FT_LOOP(d, vec, tail)                 \
  {                                           \
    int i = 0;                                \
    for (; i + FT_VL <= (d); i += FT_VL) vec; \
    for (; i < (d); i++) tail;                \
  }

template <class T>
inline void rmsnorm_fwd_t(const View& x, const float* w, float eps, const View& y, float* rstd, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    const float* a = row_ptr<float>(x, t);
    T* o = row_ptr<T>(y, t);
    vf acc = vset(0);
    float rest = 0;
    FT_LOOP(d, (acc += vload(a + i) * vload(a + i)), (rest += a[i] * a[i]))
    const float r = 1.0f / std::sqrt((vsum(acc) + rest) / d + eps);
    rstd[t] = r;
    FT_LOOP(d, (vstore(o + i, vload(a + i) * r * vload(w + i))), (store1(o + i, a[i] * r * w[i])))
  }
}
template <class T>
inline void rmsnorm_again_t(const View& x, const float* w, const float* rstd, const View& y, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    const T* a = row_ptr<T>(x, t);
    T* o = row_ptr<T>(y, t);
    const float r = rstd[t];
    FT_LOOP(d, (vstore(o + i, vload(a + i) * r * vload(w + i))), (store1(o + i, load1(a + i) * r * w[i])))
  }
}
// With xh = x * rstd and g = dy * w: dx = rstd * (g - xh * mean(g * xh)).
template <class T>
inline void rmsnorm_bwd_t(
    const View& dy, const View& x, const float* w, const float* rstd, const View& dx, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    const float* g = row_ptr<float>(dy, t);
    const T* a = row_ptr<T>(x, t);
    float* o = row_ptr<float>(dx, t);
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
inline void rope_t(const View& x, const Rope& r, float sign, int t0, int t1) {
  const int half = r.dim / 2;
  for (int t = t0; t < t1; t++) {
    const float* c = r.cos + static_cast<int64_t>(t) * half;
    const float* s = r.sin + static_cast<int64_t>(t) * half;
    for (int head = 0; head < x.cols; head += r.head_dim) {
      T* p = row_ptr<T>(x, t) + head;
      if (r.interleaved) {
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
// An activation is x * s with s = sigmoid(w): w = x for silu; for gelu by tanh w = 2 c (x + 0.044715 x^3) with c =
// sqrt(2 / pi), as (1 + tanh(y)) / 2 = sigmoid(2 y). Its slope is s + x s (1 - s) dw/dx.
template <Activation A>
inline vf gate_sigmoid(vf x) {
  return vsigmoid(A == Activation::Silu ? x : x * (1.5957691216057308f + 0.07135481282052f * (x * x)));
}
template <Activation A>
inline vf gate_slope(vf x, vf s, vf value) {
  if (A == Activation::Silu) return s + value * (1.0f - s);
  return s + value * (1.0f - s) * (1.5957691216057308f + 0.21406443846157f * (x * x));
}
template <class T, Activation A>
inline void glu_fwd_t(const View& gate_up, const View& out, int t0, int t1) {
  const int f = out.cols;
  for (int t = t0; t < t1; t++) {
    const T* g = row_ptr<T>(gate_up, t);
    const T* u = g + f;
    T* o = row_ptr<T>(out, t);
    FT_LOOP(
        f,
        {
          const vf x = vload(g + i);
          vstore(o + i, x * gate_sigmoid<A>(x) * vload(u + i));
        },
        {
          const float x = load1(g + i);
          store1(o + i, x * gate_sigmoid<A>(vset(x))[0] * load1(u + i));
        })
  }
}
// What came out forward comes out again along the way.
template <class T, Activation A>
inline void glu_bwd_t(const View& gate_up, const View& dout, const View& dgate_up, const View& out, int t0, int t1) {
  const int f = out.cols;
  auto one = [](vf x, vf y, vf e, vf& dg, vf& du, vf& a) {
    const vf s = gate_sigmoid<A>(x), value = x * s;
    dg = e * y * gate_slope<A>(x, s, value);
    du = e * value;
    a = value * y;
  };
  for (int t = t0; t < t1; t++) {
    const T* g = row_ptr<T>(gate_up, t);
    const T* u = g + f;
    const T* d = row_ptr<T>(dout, t);
    T* og = row_ptr<T>(dgate_up, t);
    T* ou = og + f;
    T* oa = row_ptr<T>(out, t);
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
inline void to_act_t(const View& x, const View& y, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    const float* a = row_ptr<float>(x, t);
    T* o = row_ptr<T>(y, t);
    FT_LOOP(d, vstore(o + i, vload(a + i)), store1(o + i, a[i]))
  }
}
template <class T>
inline void from_act_t(const View& x, const View& y, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    const T* a = row_ptr<T>(x, t);
    float* o = row_ptr<float>(y, t);
    FT_LOOP(d, vstore(o + i, vload(a + i)), o[i] = load1(a + i))
  }
}
template <class T>
inline void add_bias_t(const View& x, const float* bias, int t0, int t1) {
  const int d = x.cols;
  for (int t = t0; t < t1; t++) {
    T* o = row_ptr<T>(x, t);
    FT_LOOP(d, vstore(o + i, vload(o + i) + vload(bias + i)), store1(o + i, load1(o + i) + bias[i]))
  }
}
template <class T, bool CAP>
inline void softmax_rows(const View& logits, float softcap, int v0, const int32_t* target, float* maxv, float* sum,
    float* tl, const View& p, float* rescale, int t0, int t1) {
  const int n = logits.cols;
  for (int t = t0; t < t1; t++) {
    float* l = row_ptr<float>(logits, t);
    if (CAP) FT_LOOP(n, vstore(l + i, vcap(vload(l + i), softcap)), l[i] = vcap(vset(l[i]), softcap)[0])
    vf m = vset(maxv[t]);
    float best = maxv[t];
    FT_LOOP(n, (m = vmax(m, vload(l + i))), (best = l[i] > best ? l[i] : best))
    for (int j = 0; j < FT_VL; j++) best = m[j] > best ? m[j] : best;
    const float scale = exp1(maxv[t] - best);
    vf acc = vset(0);
    float rest = 0;
    if (p.data) {
      T* o = row_ptr<T>(p, t);
      FT_LOOP(
          n,
          {
            const vf e = vexp(vload(l + i) - best);
            acc += e;
            vstore(o + i, CAP ? e * vcap_slope(vload(l + i), softcap) : e);
          },
          {
            const float e = exp1(l[i] - best);
            rest += e;
            store1(o + i, CAP ? e * vcap_slope(vset(l[i]), softcap)[0] : e);
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

template <class T>
inline void softmax_tile_t(const View& logits, float softcap, int v0, const int32_t* target, float* max, float* sum,
    float* target_logit, const View& p, float* rescale, int t0, int t1) {
  const auto run = softcap > 0 ? softmax_rows<T, true> : softmax_rows<T, false>;
  run(logits, softcap, v0, target, max, sum, target_logit, p, rescale, t0, t1);
}

// What the table holds: the type of the Act operand decides.
#define FT_DISPATCH(name, type, ...) \
  ((type) == Dtype::F32 ? name##_t<float>(__VA_ARGS__) : name##_t<bf16_t>(__VA_ARGS__))

inline void rmsnorm_fwd(const View& x, const float* w, float eps, const View& y, float* rstd, int t0, int t1) {
  FT_DISPATCH(rmsnorm_fwd, y.type, x, w, eps, y, rstd, t0, t1);
}
inline void rmsnorm_bwd(
    const View& dy, const View& x, const float* w, const float* rstd, const View& dx, int t0, int t1) {
  FT_DISPATCH(rmsnorm_bwd, x.type, dy, x, w, rstd, dx, t0, t1);
}
inline void rmsnorm_again(const View& x, const float* w, const float* rstd, const View& y, int t0, int t1) {
  FT_DISPATCH(rmsnorm_again, x.type, x, w, rstd, y, t0, t1);
}
inline void rope(const View& x, const Rope& r, float sign, int t0, int t1) {
  FT_DISPATCH(rope, x.type, x, r, sign, t0, t1);
}
#define FT_GLU(name, ...)                                                                                 \
  (a == Activation::Silu       ? out.type == Dtype::F32 ? name##_t<float, Activation::Silu>(__VA_ARGS__)  \
                                                        : name##_t<bf16_t, Activation::Silu>(__VA_ARGS__) \
      : out.type == Dtype::F32 ? name##_t<float, Activation::GeluTanh>(__VA_ARGS__)                       \
                               : name##_t<bf16_t, Activation::GeluTanh>(__VA_ARGS__))
inline void glu_fwd(Activation a, const View& gate_up, const View& out, int t0, int t1) {
  FT_GLU(glu_fwd, gate_up, out, t0, t1);
}
inline void glu_bwd(
    Activation a, const View& gate_up, const View& dout, const View& dgate_up, const View& out, int t0, int t1) {
  FT_GLU(glu_bwd, gate_up, dout, dgate_up, out, t0, t1);
}
inline void convert(const View& x, const View& y, int t0, int t1) {
  if (x.type == Dtype::F32) FT_DISPATCH(to_act, y.type, x, y, t0, t1);
  else from_act_t<bf16_t>(x, y, t0, t1);
}
inline void add_bias(const View& x, const float* bias, int t0, int t1) {
  FT_DISPATCH(add_bias, x.type, x, bias, t0, t1);
}
inline void softmax_tile(const View& logits, float softcap, int v0, const int32_t* target, float* max, float* sum,
    float* target_logit, const View& p, float* rescale, int t0, int t1) {
  FT_DISPATCH(softmax_tile, p.type, logits, softcap, v0, target, max, sum, target_logit, p, rescale, t0, t1);
}

// torch.optim.AdamW: theta *= 1 - lr wd; m, v; theta -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps)
inline void adamw(const AdamW& o, float* theta, const float* g, const uint8_t* mask, float* m, float* v, int64_t n) {
  const float gs = o.grad_scale, lr = o.learning_rate, b1 = o.beta1, b2 = o.beta2, eps = o.eps, wd = o.weight_decay;
  const float root2 = std::sqrt(o.bias2), size = lr / o.bias1;
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

inline void quantize_rows_q8(const View& x, int rows, bool levels, const View& q) {
  // Values that came from few levels are multiples of a step, or nearly so: a scale in tune with it rounds them
  // (almost) exactly, where 127 steps to the largest value would not.
  constexpr int kMost = 127, kLeast = 80;
  for (int r = 0; r < rows; r++) {
    int8_t* to = row_ptr<int8_t>(q, r);
    float* scale = q.scale + r * (q.ld / kGroup);
    for (int64_t g = 0; g < q.ld / kGroup; g++) {
      const int n = x.cols - g * kGroup < kGroup ? static_cast<int>(x.cols - g * kGroup) : kGroup;
      alignas(64) float v[kGroup] = {};
      std::memcpy(v, row_ptr<float>(x, r) + g * kGroup, sizeof(float) * n);
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
      scale[g] = top / static_cast<float>(steps);
      for (int i = 0; i < kGroup; i++) to[g * kGroup + i] = static_cast<int8_t>(std::nearbyint(v[i] * inv));
    }
  }
}
