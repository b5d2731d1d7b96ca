// The product of bf16 activations with int8 weights in integers. Both sides have one scale for every 32 values along
// the depth: activations are quantised row by row, weights that are stored along the depth are taken as they are, and
// weights stored across it (the way back) are quantised again column by column while they are packed, so that one copy
// of the weights serves both directions. The groups' sums are scaled into f32. A second segment (LoRA's, bf16) is added
// in floats; products without int8 operands go to gemm.inc.h.
#include "gemm_dot_pack.inc.h"

#ifndef FT_DOT_TILE
#define FT_DOT_TILE "dot_tile.inc.h"
#endif
#include FT_DOT_TILE

// Adds the second segment to the sums and writes rows m .. m + rows of C, columns n .. n + count.
template <int W>
inline void dot_store(const Gemm& g, vf (&t)[kDotM][W], const dot_thin_t* thin_a, const dot_thin_t* thin_b, int thin,
    int m, int rows, int n, int count) {
  constexpr int cols = W * FT_VL;
  for (int r = 0; r < thin; r++)
#pragma GCC unroll 16
    for (int i = 0; i < kDotM; i++)
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) t[i][j] = dot_thin(t[i][j], thin_a[r * kDotM + i], thin_b + r * cols + j * FT_VL);
#pragma GCC unroll 16
  for (int i = 0; i < kDotM; i++) {
    if (i >= rows) break;
    const int64_t at = (m + i) * g.c.ld + n;
#pragma GCC unroll 16
    for (int j = 0; j < W; j++) {
      const int left = count - j * FT_VL;
      float* c = static_cast<float*>(g.c.data) + at + j * FT_VL;
      bf16_t* h = static_cast<bf16_t*>(g.c.data) + at + j * FT_VL;
      if (left >= FT_VL) {
        if (g.c.type == Dtype::BF16) vstore(h, t[i][j]);
        else vstore(c, g.accumulate ? vload(c) + t[i][j] : t[i][j]);
        continue;
      }
      float lane[FT_VL];
      vstore(lane, t[i][j]);
      for (int e = 0; e < left; e++) {
        if (g.c.type == Dtype::BF16) h[e] = f32_to_bf16(lane[e]);
        else c[e] = g.accumulate ? c[e] + lane[e] : lane[e];
      }
    }
  }
}

template <int W>
inline void dot_block(const Gemm& g, const DotShape& shape, const uint8_t* strip, const uint8_t* panel, int m, int rows,
    int n, int count) {
  vf sums[kDotM][W] = {};
  dot_tile<W>(strip, panel, shape.groups, shape.parts, sums);
  const auto* thin_a =
      reinterpret_cast<const dot_thin_t*>(strip + static_cast<size_t>(shape.groups) * shape.parts * kDotM * kDotRow);
  const auto* thin_b =
      reinterpret_cast<const dot_thin_t*>(panel + static_cast<size_t>(shape.groups) * W * FT_VL * (4 * kDotSteps + 8));
  dot_store<W>(g, sums, thin_a, thin_b, shape.thin, m, rows, n, count);
}

inline bool is_dot(const Gemm& g) { return g.seg[0].b.type == Dtype::Q8 && g.seg[0].a.type == Dtype::BF16; }

inline GemmCut gemm_cut_dot(const Gemm& g) {
  if (!is_dot(g)) return gemm_cut(g);
  return {kDotM, 32};
}

// Columns packed at a time.
inline int dot_chunk(const DotShape& shape) {
  const int panels = static_cast<int>(kDotPanels / shape.panel(kDotCols));
  return (panels > 1 ? panels : 1) * kDotCols;
}

inline size_t gemm_packed_dot(const Gemm& g) {
  return is_dot(g) ? DotShape(g).strip() * ((g.m + kDotM - 1) / kDotM) : 0;
}
inline void gemm_pack_dot(const Gemm& g, int m0, int m1, uint8_t* packed) {
  if (!is_dot(g)) return;
  const DotShape shape(g);
  for (int m = m0; m < m1; m += kDotM)
    dot_pack_strip(g, shape, m, m1 - m < kDotM ? m1 - m : kDotM, packed + m / kDotM * shape.strip());
}

inline size_t gemm_scratch_dot(const Gemm& g) {
  if (!is_dot(g)) return gemm_scratch(g);
  const DotShape shape(g);
  return shape.panel(dot_chunk(shape));
}

inline void gemm_dot(const Gemm& g, const uint8_t* packed, int m0, int m1, int n0, int n1, Scratch& scratch) {
  if (!is_dot(g)) return gemm(g, packed, m0, m1, n0, n1, scratch);
  const DotShape shape(g);
  const int chunk = dot_chunk(shape);
  uint8_t* panels = scratch.data;
  const size_t strip = shape.strip();
  const int fit = static_cast<int>(kDotRows / strip), block = (fit > 1 ? fit : 1) * kDotM;
  for (int nc = n0; nc < n1; nc += chunk) {
    const int ne = nc + chunk < n1 ? nc + chunk : n1;
    for (int n = nc; n < ne; n += kDotCols) {
      const int count = ne - n < kDotCols ? ne - n : kDotCols;
      dot_pack_panel(g, shape, n, count, round_up(count, FT_VL), panels + shape.panel(n - nc));
    }
    for (int mb = m0; mb < m1; mb += block) {
      const int me = mb + block < m1 ? mb + block : m1;
      for (int n = nc; n < ne; n += kDotCols) {
        const int count = ne - n < kDotCols ? ne - n : kDotCols;
        const uint8_t* panel = panels + shape.panel(n - nc);
        for (int m = mb; m < me; m += kDotM) {
          const uint8_t* rows = packed + m / kDotM * strip;
          const int left = me - m < kDotM ? me - m : kDotM;
          if (count <= FT_VL) dot_block<1>(g, shape, rows, panel, m, left, n, count);
          else dot_block<2>(g, shape, rows, panel, m, left, n, count);
        }
      }
    }
  }
}
