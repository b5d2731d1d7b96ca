import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { CONFIG_KEYS, runConfigSchema } from '../../../src/config/schema.js';
import { METHODS } from '../../../src/methods/index.js';

// Keys as PEFT, Axolotl and the papers of the methods call them: what users write from memory has to be there, with the
// default that goes with it.
const KNOWN: Record<string, unknown> = {
  lora_r: 8,
  lora_alpha: 16,
  lora_dropout: 0,
  target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  num_rounds: 10,
  num_clients: null,
  clients_per_round: null,
  participation: 1,
  local_epochs: 1,
  local_steps: null,
  learning_rate: 1e-3,
  lr_scheduler: 'constant',
  warmup_ratio: 0,
  gradient_accumulation_steps: 1,
  max_grad_norm: 1,
  seq_length: 256,
  seed: 42,
  prox_mu: 0.01,
  output_dir: 'runs/fedtune',
  // PerFIT: expansion e, warm-up steps, stages J, what is pruned, whether values are rewound, budgets of stronger clients.
  expansion: 2,
  warmup_steps: null,
  importance_samples: null,
  stages: 1,
  prune: 'element',
  rewind: true,
  rank_per_client: null,
  // FedMut and FedQP.
  mutation: 'none',
  mutation_groups: 'module',
  alpha: 1,
  cone_degrees: 45,
  mutation_start: null,
  mutation_bound: 0.3,
  merge_weights: null,
  momentum_cap: 0.5,
  centered: false,
  mutate: 'alternate',
  finetune_epochs: 0,
  take_home: 'best_on_validation',
  min_clients: 1,
  eval_every: 1,
  precision: 'int8',
};

describe('the keys of the run file', () => {
  it.each(Object.entries(KNOWN))('%s', (key, value) => {
    expect(parseConfig({})[key as keyof ReturnType<typeof parseConfig>]).toEqual(value);
  });

  it('are snake_case and described', () => {
    for (const key of CONFIG_KEYS) {
      expect(key).toMatch(/^[a-z0-9]+(_[a-z0-9]+)*$/);
      expect(runConfigSchema.shape[key].description, key).toMatch(/\.$/);
    }
  });

  it('take every method by its id', () => {
    for (const method of METHODS) expect(parseConfig({ method }).method).toBe(method);
    expect(METHODS).toHaveLength(22);
  });
});
