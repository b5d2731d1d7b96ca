// What the AVX-512 sets with int8 dot products share; FT_PAIR_DOT is set before where there are bf16 products too.
#define FT_VL 16
#define FT_MR 12
#define FT_FMA(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FT_REGISTERS 32
#define FT_DOT_M 7
#define FT_DOT_BYTES 1
#define FT_DOT_BIAS 128
#define FT_DOT(acc, a, b) ((vi)_mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(a), (__m512i)(b)))

#include "simd.inc.h"
#include "words.inc.h"
#include "gemm.inc.h"
#include "gemm_dot.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "table.inc.h"
