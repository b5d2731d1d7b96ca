// The table of a set whose functions are the ones included above.
#define FT_TABLE(NAME)                                                                                              \
  {NAME, gemm_cut, gemm_scratch, gemm, attention_scratch, attention_fwd, attention_bwd, rmsnorm_fwd, rmsnorm_bwd,   \
   rmsnorm_again, rope, swiglu_fwd, swiglu_bwd, to_act, from_act, add_bias, softmax_tile, adamw, quantize_rows}
