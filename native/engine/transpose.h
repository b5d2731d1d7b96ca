// Transposition of thin matrices of activations.
#pragma once
#include <cstdint>

#include "../kernels/kernels.h"

namespace ft {

// out [cols][ldo], columns t0 .. t1, from x [rows][ld], rows t0 .. t1. t0 is a multiple of 8.
void transpose_rows(Dtype type, const void* x, int64_t ld, int cols, void* out, int64_t ldo, int t0, int t1);

}  // namespace ft
