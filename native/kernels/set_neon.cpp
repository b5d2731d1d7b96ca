#include "kernels.h"
namespace ft {
const KernelSet* kernels_neon() { return nullptr; }
}  // namespace ft
