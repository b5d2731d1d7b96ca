import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { countExamples, folderDigest, makeOwners } from './methodsData.mjs';
import { ROOT } from './paths.mjs';

/** Small enough to see in seconds that everything works. */
const QUICK = { rounds: 3, steps: 4, batch: 2 };

/** Many short rounds, as `npm start` has them. */
const EMBEDDED = {
  plan: { rounds: 20, steps: 6, batch: 8 },
  grid: [2.5e-3, 5e-3, 1e-2],
  config: { model: 'embedded', data: 'embedded' },
};

/** SmolLM2-like: short chats of owners whose questions are their own. */
const REAL = {
  plan: { rounds: 6, steps: 5, batch: 4 },
  grid: [5e-4, 1e-3, 2e-3],
  sizes: { train: 40, valid: 16, test: 60 },
  characters: 320,
  config: { template: 'chatml', on_long: 'drop' },
};

const embedded = (partition) => () => ({ ...EMBEDDED, config: { ...EMBEDDED.config, ...partition } });

/** A part whose owners the sweep makes from `--data`. */
const made = (division) => (options) => {
  if (!options.model || !options.data) {
    throw new Error(
      `The part "${division}" needs --model (a GGUF file or hf:ID) and --data ` +
        `(${division === 'natural' ? 'a folder of owners' : "Dolly's JSON files, a glob pattern"}).`,
    );
  }
  const characters = options.characters ?? REAL.characters;
  const sizes = { ...REAL.sizes, ...options.sizes };
  const data = makeOwners(division, options.data, { sizes, owners: options.owners, characters });
  // Two characters a token and more: nothing that passed the limit is cut.
  return {
    ...REAL,
    config: {
      ...REAL.config,
      model: options.model,
      data,
      partition: 'natural',
      seq_length: Math.max(160, Math.ceil(characters / 2)),
    },
  };
};

const PARTS = {
  embedded: embedded({ partition: 'natural' }),
  // What the options of PerFIT do, each at the rate that is the best without it: a look at many at the price of few.
  'embedded-options': (options) => ({ ...PARTS.embedded(options), grid: [1e-2] }),
  'embedded-iid': embedded({ partition: 'iid', num_clients: 8 }),
  'embedded-dirichlet': embedded({ partition: 'dirichlet', dirichlet_alpha: 0.3, num_clients: 8 }),
  conventions: made('conventions'),
  topics: made('topics'),
  mixed: made('mixed'),
  natural: made('natural'),
};

export const PART_IDS = Object.keys(PARTS);

/** Settings of one part of the sweep: plan (rounds, steps, batch), learning-rate grid, run file, digest of the data. */
export function partSettings(name, options) {
  const make = PARTS[name];
  if (!make) throw new Error(`Expected --part out of ${PART_IDS.join(', ')} but received "${name}".`);
  const { model } = options;
  if (model && model !== 'embedded' && !model.startsWith('hf:') && !existsSync(model)) {
    throw new Error(`Expected a model at ${model} but there is none.`);
  }
  const part = make(options);
  const folder = part.config.data === 'embedded' ? join(ROOT, 'datasets/owners') : part.config.data;
  const caps = options.quick ? { max_train_examples: 8, max_valid_examples: 2, max_test_examples: 3 } : {};
  return {
    name,
    quick: options.quick,
    plan: { ...(options.quick ? QUICK : part.plan), ...options.plan },
    grid: options.grid ?? (options.quick ? part.grid.slice(1, 2) : part.grid),
    dataSha256: folderDigest(folder),
    counts: countExamples(folder, { valid: caps.max_valid_examples, test: caps.max_test_examples }),
    // Rows that are compared differ in the method alone: all merge every owner with the same weight.
    config: { ...part.config, ...caps, merge_weights: 'uniform' },
  };
}
