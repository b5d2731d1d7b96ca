#include "check.h"

namespace ft {

std::map<std::string, double> check_kernels(const KernelSet&, int, int, int, uint32_t) { return {}; }

}  // namespace ft
