import { existsSync } from 'node:fs';
import { makeConventions } from './conventions.mjs';

/** Small enough to see in seconds that everything works. */
const QUICK = { rounds: 3, steps: 4, batch: 2 };

/** Steps enough that training alone overfits the small owners. */
const EMBEDDED = {
  plan: { rounds: 6, steps: 25, batch: 8 },
  grid: [3e-3, 1e-2],
  config: { model: 'embedded', data: 'embedded', num_clients: 8 },
};

/** SmolLM2-like: short chats, 40 training examples an owner, hundreds of test examples in all. */
const REAL = {
  plan: { rounds: 6, steps: 5, batch: 4 },
  grid: [5e-4, 1e-3, 2e-3],
  /** What rows take that would be tuned: the strength that was best in the simulation that the method was planned with. */
  untuned: { alpha: 2 },
  config: {
    template: 'chatml',
    on_long: 'drop',
    seq_length: 160,
    max_train_examples: 40,
    max_valid_examples: 16,
    max_test_examples: 40,
  },
};

function requireReal(options, part) {
  if (options.model && options.data) return;
  throw new Error(
    `The part "${part}" needs --model (a GGUF file or hf:ID) and --data (Dolly's JSON files, a glob pattern).`,
  );
}

const PARTS = {
  embedded: async () => ({ ...EMBEDDED, tune: true, config: { ...EMBEDDED.config, partition: 'natural' } }),
  'embedded-iid': async () => ({ ...EMBEDDED, config: { ...EMBEDDED.config, partition: 'iid' } }),
  'embedded-dirichlet': async () => ({
    ...EMBEDDED,
    config: { ...EMBEDDED.config, partition: 'dirichlet', dirichlet_alpha: 0.3 },
  }),
  topics: async (options) => {
    requireReal(options, 'topics');
    const config = { ...REAL.config, model: options.model, data: options.data, partition: 'category' };
    return { ...REAL, config };
  },
  conventions: async (options) => {
    requireReal(options, 'conventions');
    const data = await makeConventions(options.data);
    return { ...REAL, config: { ...REAL.config, model: options.model, data, partition: 'natural' } };
  },
};

/** Settings of one part of the sweep: plan (rounds, steps, batch), learning-rate grid, run file, whether it is tuned. */
export async function partSettings(name, options) {
  const make = PARTS[name];
  if (!make) throw new Error(`Expected --part out of ${Object.keys(PARTS).join(', ')} but received "${name}".`);
  if (options.model && !options.model.startsWith('hf:') && !existsSync(options.model)) {
    throw new Error(`Expected a model at ${options.model} but there is none.`);
  }
  const part = await make(options);
  const caps = options.quick ? { max_train_examples: 8, max_valid_examples: 2, max_test_examples: 3 } : {};
  return {
    name,
    quick: options.quick,
    tune: (part.tune ?? false) || options.tune,
    plan: options.quick ? QUICK : part.plan,
    grid: options.grid ?? (options.quick ? part.grid.slice(1, 2) : part.grid),
    learningRate: options.learningRate ?? part.grid[1],
    untuned: part.untuned ?? {},
    config: { ...part.config, ...caps, eval_every: 0 },
  };
}
