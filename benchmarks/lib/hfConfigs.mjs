/**
 * Small config.json of each architecture that is read as a Hugging Face folder, for golden values: sizes follow the seed, and
 * every feature of the architecture counts within 150 tokens (windows, layers without positions, scalings, caps).
 */
export function hfConfigs(seed) {
  const headDim = [16, 24, 32][seed % 3];
  const size = {
    vocab_size: 300 + 7 * seed,
    hidden_size: seed % 2 ? 96 : 288,
    intermediate_size: 160 + 32 * seed,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: seed % 2 ? 2 : 1,
    head_dim: headDim,
    max_position_embeddings: 512,
    tie_word_embeddings: seed % 2 === 0,
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 0,
    use_cache: false,
  };
  const half = headDim / 2;
  const rope = (parameters) => ({ rope_parameters: { rope_theta: 10_000, ...parameters } });
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 };
  const layered = ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'];
  return {
    llama: {
      ...size,
      model_type: 'llama',
      attention_bias: true,
      mlp_bias: true,
      ...rope({ rope_type: 'linear', factor: 3 }),
    },
    'llama-yarn': { ...size, model_type: 'llama', ...rope(yarn) },
    mistral: { ...size, model_type: 'mistral', sliding_window: 20 + seed, ...rope({ rope_type: 'default' }) },
    qwen2: {
      ...{ ...size, model_type: 'qwen2', head_dim: undefined, hidden_size: 4 * headDim },
      ...{ use_sliding_window: true, sliding_window: 70, max_window_layers: 2, ...rope({ rope_type: 'default' }) },
    },
    'qwen3-yarn': {
      ...size,
      model_type: 'qwen3',
      ...rope({ ...yarn, attention_factor: 1.1, beta_fast: 16, beta_slow: 2 }),
    },
    gemma2: {
      ...{ ...size, model_type: 'gemma2', tie_word_embeddings: true, query_pre_attn_scalar: 20, sliding_window: 33 },
      ...{
        attn_logit_softcapping: 5.5,
        final_logit_softcapping: 4.5,
        layer_types: layered,
        ...rope({ rope_type: 'default' }),
      },
    },
    gemma3: {
      ...{
        ...size,
        model_type: 'gemma3_text',
        tie_word_embeddings: true,
        query_pre_attn_scalar: 40,
        sliding_window: 17,
      },
      layer_types: layered,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1_000_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    },
    phi3: {
      ...{ ...size, model_type: 'phi3', head_dim: undefined, hidden_size: 4 * headDim, sliding_window: 100 },
      original_max_position_embeddings: 256,
      ...rope({
        ...{ rope_type: 'longrope', partial_rotary_factor: 0.75, original_max_position_embeddings: 256 },
        short_factor: Array.from({ length: (headDim * 3) / 8 }, (_, i) => 1 + i / half),
        long_factor: Array.from({ length: (headDim * 3) / 8 }, (_, i) => 2 + i),
      }),
    },
    smollm3: {
      ...{ ...size, model_type: 'smollm3', head_dim: undefined, hidden_size: 4 * headDim },
      ...{ no_rope_layers: [1, 0, 1, 1], ...rope({ rope_type: 'default', rope_theta: 50_000 }) },
    },
    olmo2: {
      ...size,
      model_type: 'olmo2',
      head_dim: undefined,
      hidden_size: 4 * headDim,
      ...rope({ rope_type: 'default' }),
    },
    granite: {
      ...{ ...size, model_type: 'granite', head_dim: undefined, hidden_size: 4 * headDim },
      ...{ embedding_multiplier: 6.5, residual_multiplier: 0.3, attention_multiplier: 0.1, logits_scaling: 2.5 },
      ...{ attention_bias: true, ...rope({ rope_type: 'default' }) },
    },
    'llama-longrope': {
      ...{ ...size, model_type: 'llama' },
      ...rope({
        ...{ rope_type: 'longrope', factor: 8, original_max_position_embeddings: 256 },
        short_factor: Array.from({ length: half }, (_, i) => 1 + i / half),
        long_factor: Array.from({ length: half }, (_, i) => 2 + i),
      }),
    },
  };
}
