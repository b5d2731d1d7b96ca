/**
 * `npm run check:golden`: golden values of the same form as the reference folders, made by transformers + PEFT in float64 for
 * random models of each architecture with other seeds, ranks, scales, targets and layers, and the engine's golden tests over
 * them; and for a Hugging Face folder of each architecture and scaling of RoPE. `--models DIR` and `--gguf A,B` take models of a folder
 * instead, `--only A,B` some of the folders of lib/hfConfigs.mjs.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { hfConfigs } from './lib/hfConfigs.mjs';
import { library } from './lib/paths.mjs';
import { makeRandom } from './lib/random.mjs';
import { randomModel } from './lib/randomModel.mjs';
import { runPython } from './peers/python.mjs';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    models: { type: 'string' },
    gguf: { type: 'string' },
    steps: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});

const ALL = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
const SHAPES = ['small-llama', 'small-llama3', 'small-qwen2', 'small-qwen3'];
/** Targets of bases that keep parts in one layer. */
const FUSED = { phi3: ['attn_qkv', 'attn_output', 'ffn_gate_up', 'ffn_down'] };
/** Ranks that are no multiple of a vector, subsets of modules and of layers. */
const ADAPTERS = [
  { rank: 1, alpha: 3, targets: ALL, layers: null },
  { rank: 5, alpha: 7, targets: ['attn_q', 'attn_v'], layers: null },
  { rank: 16, alpha: 16, targets: ALL, layers: null },
  { rank: 3, alpha: 12, targets: ['attn_k', 'attn_output', 'ffn_gate', 'ffn_down'], layers: [1, 2] },
];

/** Three sequences, one of them of targets only, one with holes in its mask. */
function sequences(vocabSize, random) {
  const make = (length, isTarget) => ({
    tokens: Array.from({ length }, () => 3 + random.below(vocabSize - 3)),
    mask: Array.from({ length }, (_, t) => (t > 0 && isTarget(t) ? 1 : 0)),
  });
  return [make(37, () => true), make(2 + random.below(3), () => true), make(150, (t) => t > 20 && random.below(3) > 0)];
}

/** `config`: a folder is made with that config.json, at `path`; else `path` is a GGUF file. */
function jobOf({ path, config, vocabSize }, adapter, seed, reference) {
  const model = basename(path);
  const out = join(reference, `${model.replace('.gguf', '')}-r${adapter.rank}-s${seed}`);
  const adamw = { lr: 2e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, steps: Number(options.steps) };
  const random = makeRandom(seed * 97 + adapter.rank);
  return { ...adapter, seed, path, config, model, out, adamw, sequences: sequences(vocabSize, random) };
}

async function ggufModels(seed) {
  const { loadModel } = await library('model/index.js');
  const names = options.gguf?.split(',').map((name) => join(options.models ?? '.', name));
  const paths = names ?? (await Promise.all(SHAPES.map((shape) => randomModel(shape, { seed, floats: true }))));
  return Promise.all(paths.map(async (path) => ({ path, vocabSize: (await loadModel(path)).description.vocabSize })));
}

/** Of each architecture, as a folder that transformers writes. */
function hfModels(seed, folder) {
  if (options.gguf !== undefined) return [];
  return Object.entries(hfConfigs(seed))
    .filter(([name]) => options.only === undefined || options.only.split(',').includes(name))
    .map(([name, config]) => ({
      path: join(folder, 'models', `${name}-seed${seed}`),
      vocabSize: Math.min(256, config.vocab_size),
      config,
    }));
}

const folder = mkdtempSync(join(tmpdir(), 'fedtune-golden-'));
const reference = join(folder, 'reference');
mkdirSync(join(folder, 'models'), { recursive: true });
const jobs = [];
for (const seed of options.seeds.split(',').map(Number)) {
  for (const model of options.only === undefined ? await ggufModels(seed) : []) {
    copyFileSync(model.path, join(folder, 'models', basename(model.path)));
    for (const adapter of ADAPTERS) jobs.push(jobOf(model, adapter, seed, reference));
  }
  // One adapter of all modules and one of some; the folder is written with the first.
  for (const model of hfModels(seed, folder)) {
    const adapter = ADAPTERS[(seed + 1) % ADAPTERS.length];
    const targets = FUSED[model.config.model_type] ?? adapter.targets;
    jobs.push(jobOf(model, { ...adapter, targets }, seed, reference));
  }
}
const file = join(folder, 'jobs.json');
writeFileSync(file, JSON.stringify(jobs));
await runPython('make_golden.py', [file], { onLine: (line) => console.error(line) });
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'tests/native/golden.test.ts'],
  {
    stdio: 'inherit',
    env: { ...process.env, FEDTUNE_REFERENCE: reference },
  },
);
console.log(`${jobs.length} golden folders in ${reference}`);
process.exitCode = status ?? 1;
