// What the NEON sets share; FT_DOT_TILE is set before.
#define FT_VL 4
#define FT_MR 8
#define FT_FMA(a, b, c) ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FT_REGISTERS 32
#define FT_DOT_M 6
#define FT_DOT_BYTES 1
#define FT_DOT_BIAS 0
#define FT_DOT(acc, a, b) ((vi)vdotq_s32((int32x4_t)(acc), (int8x16_t)(a), (int8x16_t)(b)))

#include "simd.inc.h"
#include "words.inc.h"
#include "gemm.inc.h"
#include "gemm_dot.inc.h"
#include "ops.inc.h"
#include "q4.inc.h"
#include "attention.inc.h"
#include "table.inc.h"
