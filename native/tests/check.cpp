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
  check_softmax(set, random, m, n, Dtype::F32, "softmax", report);
  check_softmax(set, random, m, n, Dtype::BF16, "softmax bf16", report);
  check_adamw(set, random, n, report);
  check_quantize(set, random, m, n, report);
  const int head_dim = std::max(2, std::min(128, k / 2 * 2));
  check_attention(set, random, m, head_dim, Dtype::F32, "attention f32", report);
  check_attention(set, random, m, head_dim, Dtype::BF16, "attention bf16", report);
  return report.errors;
}

}  // namespace ft
