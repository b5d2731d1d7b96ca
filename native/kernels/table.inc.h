// The table of a set whose functions are the ones included above.
#define FT_TABLE(NAME)                                                                                          \
  {NAME, gemm_cut, gemm_packed, gemm_pack, gemm_scratch, gemm, attention_scratch, attention_fwd, attention_bwd, \
      rmsnorm_fwd, rmsnorm_bwd, rmsnorm_again, rope, glu_fwd, glu_bwd, convert, add_bias, softmax_tile, adamw,  \
      quantize_rows, unpack_rows}
// The same with the int8 product of gemm_dot.inc.h.
#define FT_TABLE_DOT(NAME)             \
  [] {                                 \
    KernelSet s = FT_TABLE(NAME);      \
    s.gemm_cut = gemm_cut_dot;         \
    s.gemm_packed = gemm_packed_dot;   \
    s.gemm_pack = gemm_pack_dot;       \
    s.gemm_scratch = gemm_scratch_dot; \
    s.gemm = gemm_dot;                 \
    return s;                          \
  }()
