#include "description.h"

#include "error.h"

namespace ft {

namespace {

void in(const char* what, int64_t x, int64_t low, int64_t high) {
  if (x < low || x > high)
    throw Error("BAD_MODEL", std::string("Expected ") + what + " between " + std::to_string(low) + " and " +
                                 std::to_string(high) + " but received " + std::to_string(x) + ".");
}

void need(bool holds, const char* what) {
  if (!holds) throw Error("BAD_MODEL", std::string("Expected ") + what + ".");
}

}  // namespace

void check(const Description& d) {
  in("numLayers", d.layers, 1, 512);
  in("hiddenSize", d.hidden, 1, 1 << 16);
  in("numHeads", d.heads, 1, 1024);
  in("numKvHeads", d.kv_heads, 1, d.heads);
  in("headDim", d.head_dim, 2, 512);
  in("ffnSize", d.ffn, 1, 1 << 20);
  in("vocabSize", d.vocab, 2, 1 << 22);
  in("contextLength", d.context, 1, 1 << 24);
  need(d.heads % d.kv_heads == 0, "numHeads to be a multiple of numKvHeads");
  need(d.norm_eps >= 0, "normEps of at least 0");
  need(d.attention_scale > 0 && d.embedding_scale > 0 && d.residual_scale > 0 && d.logit_scale > 0, "scales above 0");
  need(d.attention_softcap >= 0 && d.logit_softcap >= 0, "softcaps of at least 0");
  if (d.post_norm && d.residual_scale != 1)
    throw Error("UNSUPPORTED_FEATURE", "This engine does not compute postNorm together with a residualScale.");
  for (const auto& r : d.ropes) {
    in("the dim of a RoPE table", r.dim, 2, d.head_dim);
    need(r.dim % 2 == 0, "an even dim of each RoPE table");
    need(r.theta > 0 && r.magnitude > 0, "theta and magnitude of each RoPE table above 0");
    need(r.factors.empty() || static_cast<int>(r.factors.size()) == r.dim / 2, "dim / 2 factors in each RoPE table");
    for (double f : r.factors) need(f > 0, "factors of RoPE above 0");
  }
  in("the layers' entries", static_cast<int64_t>(d.per_layer.size()), d.layers, d.layers);
  for (const auto& l : d.per_layer) in("a layer's rope", l.rope, -1, static_cast<int64_t>(d.ropes.size()) - 1);
}

}  // namespace ft
