/** The embedded federation, cut down so that a run takes about a second. */
export const TINY_RUN = {
  num_rounds: 3,
  local_steps: 2,
  batch_size: 2,
  learning_rate: 3e-3,
  warmup_steps: 2,
  importance_samples: 4,
  lora_r: 4,
  lora_alpha: 8,
  target_modules: ['q_proj', 'v_proj', 'down_proj'],
  max_train_examples: 8,
  max_valid_examples: 2,
  max_test_examples: 2,
  eval_every: 0,
  seq_length: 128,
} as const;
