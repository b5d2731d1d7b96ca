import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, library } from './paths.mjs';
import { makeRandom } from './random.mjs';
import { SHAPES } from './shapes.mjs';

/** The cases of the comparison; sizes in sequences and tokens. */
export const CASES = {
  full: { shape: 'smollm2-135m', batch: 4, length: 256 },
  chat: { shape: 'smollm2-135m', batch: 8, seqLength: 512 },
  long: { shape: 'smollm2-135m', batch: 1, length: 2048 },
  qwen: { shape: 'qwen2.5-0.5b', batch: 2, length: 256 },
  single: { shape: 'smollm2-135m', batch: 1, length: 128 },
  federation: { shape: 'smollm2-135m', batch: 8, seqLength: 512, clients: 8, rounds: 3, localSteps: 10 },
};

const RANK = 8;
/** Different batches of a case; steps beyond them start over. */
const DISTINCT_STEPS = 6;

function randomExamples(count, length, vocabSize, random) {
  return Array.from({ length: count }, () => ({
    tokens: Array.from({ length }, () => random.below(vocabSize)),
    mask: Array(length).fill(1),
  }));
}

/** Tokenised conversations in a seeded order: `data` (a path or pattern) with the tokenizer of `model`, else the embedded owners. */
async function conversations({ data, model, seqLength, count }) {
  const { loadModel } = await library('model/index.js');
  const { loadExamples, resolveTemplate, tokenizeExamples } = await library('data/index.js');
  const base = await loadModel(model ?? 'embedded');
  const { examples } = await loadExamples(data ?? 'embedded');
  const template = await resolveTemplate(model === undefined ? 'auto' : 'chatml', base);
  const random = makeRandom(7);
  const picked = examples
    .map((example) => ({ example, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, 2 * count)
    .map(({ example }) => example);
  const { examples: tokenised } = tokenizeExamples(picked, {
    tokenizer: base.tokenizer,
    template,
    seqLength,
    onLong: 'drop',
  });
  if (tokenised.length < count) {
    throw new Error(
      `Expected at least ${count} conversations of at most ${seqLength} tokens but found ${tokenised.length}.`,
    );
  }
  return tokenised.slice(0, count).map(({ tokens, lossMask }) => ({ tokens: [...tokens], mask: [...lossMask] }));
}

const stepsOf = (examples, batch) =>
  Array.from({ length: Math.floor(examples.length / batch) }, (_, i) => examples.slice(i * batch, (i + 1) * batch));

const same = (examples) => examples;

async function clientsOf(settings, options) {
  const numClients = settings.clients ?? 1;
  const perClient = settings.batch * (settings.localSteps ?? DISTINCT_STEPS);
  const count = numClients * perClient;
  const random = settings.length !== undefined;
  const examples = random
    ? randomExamples(count, settings.length, SHAPES[settings.shape].vocabSize, makeRandom(3))
    : await conversations({ ...options, seqLength: settings.seqLength, count });
  const clients = Array.from({ length: numClients }, (_, i) => ({
    id: String(i),
    steps: stepsOf(examples.slice(i * perClient, (i + 1) * perClient), settings.batch).map(options.change ?? same),
  }));
  if (random) return { clients, source: 'random tokens, every one a target' };
  const source = options.data === undefined ? 'conversations of the embedded owners' : 'conversations of --data';
  return { clients, source };
}

const OVERRIDES = ['rounds', 'localSteps', 'clients', 'batch', 'length'];

/**
 * Writes a case as JSON for both sides and returns it with its path: shape, LoRA rank, rounds, and per client the examples
 * (token ids and loss mask) of every step. `options`: data and model for conversations; rounds, localSteps, clients, batch and
 * length (of random tokens) instead of the case's own; `change`: makes other examples of those of a step.
 */
export async function makeCase(name, options = {}) {
  if (CASES[name] === undefined) {
    throw new Error(`Expected --case to be one of ${Object.keys(CASES).join(', ')} but received "${name}".`);
  }
  const settings = { ...CASES[name] };
  for (const key of OVERRIDES) if (options[key] !== undefined) settings[key] = options[key];
  const { clients, source } = await clientsOf(settings, options);
  const content = {
    name,
    shapeName: settings.shape,
    shape: SHAPES[settings.shape],
    rank: RANK,
    batch: settings.batch,
    rounds: settings.rounds ?? 1,
    source,
    clients,
  };
  const json = JSON.stringify(content);
  const path = join(CACHE, `case-${name}-${createHash('sha256').update(json).digest('hex').slice(0, 12)}.json`);
  writeFileSync(path, json);
  return { ...content, path };
}
