#include "check.h"

namespace ft {

std::map<std::string, double> check_kernels(const KernelSet& set, int m, int n, int k, uint32_t seed) {
  Report report;
  Random random(seed);
  for (const bool trans : {true, false}) {
    const std::string way = trans ? " nt" : " nn";
    check_gemm(set, random, m, n, k, Dtype::F32, Dtype::F32, trans, "gemm f32" + way, report);
    check_gemm(set, random, m, n, k, Dtype::BF16, Dtype::Q8, trans, "gemm q8" + way, report);
    check_gemm(set, random, m, n, k, Dtype::BF16, Dtype::BF16, trans, "gemm bf16" + way, report);
  }
  check_rows(set, random, m, n, report);
  for (const float softcap : {0.0f, 2.0f}) {
    check_softmax(set, random, m, n, Dtype::F32, softcap, "softmax", report);
    check_softmax(set, random, m, n, Dtype::BF16, softcap, "softmax bf16", report);
  }
  check_adamw(set, random, n, report);
  check_quantize(set, random, m, n, report);
  check_q4(set, random, m, n, report);
  const int head_dim = std::max(2, std::min(128, k / 2 * 2));
  for (const Dtype type : {Dtype::F32, Dtype::BF16}) {
    const std::string name = type == Dtype::F32 ? "attention f32" : "attention bf16";
    check_attention(set, random, m, head_dim, type, 0, 0, name, report);
    // windows from one token to all but one
    for (const int window : {1, m / 3 + 1, m}) check_attention(set, random, m, head_dim, type, window, 0, name, report);
    check_attention(set, random, m, head_dim, type, m / 2, 1.5f, name, report);
  }
  return report.errors;
}

}  // namespace ft
