import { join } from 'node:path';
import { runPython } from '../peers/python.mjs';
import { makeCase } from './cases.mjs';
import { overallRates, rates, runOurs } from './ours.mjs';
import { CACHE } from './paths.mjs';

const pytorch = (mode, options = {}) => ({
  side: 'theirs',
  program: 'torch_train.py',
  mode,
  compile: 'no',
  ...options,
});
/** JAX and MLX; few steps, since they are run once and MLX takes minutes for one. */
const other = (program, mode, lengths) => ({ side: 'theirs', program, mode, venv: 'others', lengths });
const ours = (precision, kernels = 'auto') => ({ side: 'ours', precision, kernels });

/** MKL and oneDNN choose their instructions themselves; this holds them to AVX2 as well. */
const AVX2 = { env: { ATEN_CPU_CAPABILITY: 'avx2', MKL_ENABLE_INSTRUCTIONS: 'AVX2', ONEDNN_MAX_CPU_ISA: 'AVX2' } };

/** What `--compile` of torch_train.py may be, but "no". */
export const COMPILED = new Set(['default', 'max-autotune']);
const WAYS = { '': 'no', ', compiled': 'default', ', max-autotune': 'max-autotune' };
const LAYOUTS = { '': 'padded', ', length-grouped': 'length-grouped', ', packed': 'packed' };

/** PyTorch with its weights in a type, in every way of running it and of laying out a batch, by name. */
function everyWay(name, mode) {
  const ways = Object.entries(WAYS).flatMap(([way, compile]) =>
    Object.entries(LAYOUTS).map(([suffix, layout]) => [`${name}${way}${suffix}`, pytorch(mode, { compile, layout })]),
  );
  return Object.fromEntries(ways);
}

/** Everything that is timed, by name. */
export const VARIANTS = {
  'fedtune int8': ours('int8'),
  'fedtune f32': ours('f32'),
  'fedtune int8, AVX2': ours('int8', 'avx2'),
  'fedtune int8, portable': ours('int8', 'portable'),
  ...everyWay('PyTorch fp32', 'fp32'),
  ...everyWay('PyTorch bf16 weights', 'bf16-weights'),
  'PyTorch bf16 autocast': pytorch('bf16-autocast'),
  'PyTorch bf16 autocast, compiled': pytorch('bf16-autocast', { compile: 'default' }),
  'PyTorch fp32, AVX2 but in MKL': pytorch('fp32', { env: { ATEN_CPU_CAPABILITY: 'avx2' } }),
  'PyTorch fp32, AVX2': pytorch('fp32', AVX2),
  'PyTorch fp32, AVX2, compiled': pytorch('fp32', { compile: 'default', ...AVX2 }),
  'PyTorch fp32, AVX2, packed': pytorch('fp32', { layout: 'packed', ...AVX2 }),
  'JAX fp32': other('jax_train.py', 'fp32', { warmup: 1, steps: 2 }),
  'JAX bf16 weights': other('jax_train.py', 'bf16-weights', { warmup: 1, steps: 2 }),
  'MLX bf16 weights': other('mlx_train.py', 'bf16-weights', { warmup: 0, steps: 1 }),
};

const PEERS = Object.keys(WAYS).map((way) => `PyTorch bf16 weights${way}`);
/** Compiled for batches of unlike length is slow to make, so max-autotune only has the layout with the least padding. */
const CHAT_PEERS = [
  ...['', ', compiled'].flatMap((way) => Object.keys(LAYOUTS).map((layout) => `PyTorch bf16 weights${way}${layout}`)),
  'PyTorch bf16 weights, max-autotune, packed',
];
const PEERS_AVX2 = ['PyTorch fp32, AVX2', 'PyTorch fp32, AVX2, compiled'];

const even = { metric: 'tokens_per_second', warmup: 1, warmupCompiled: 3 };
const forced = { ...even, variants: ['fedtune int8, AVX2', ...PEERS_AVX2], steps: 2, repeats: 1 };

/**
 * The comparisons. `metric`: what a second is worth. `warmup`: untimed steps of us and of eager PyTorch; `warmupCompiled`:
 * one more than the different batches of a case, so that every shape has been compiled.
 */
export const COMPARISONS = {
  full: {
    title: 'full: SmolLM2-135M, 4 x 256 tokens, every token a target',
    case: 'full',
    ...even,
    variants: ['fedtune int8', 'fedtune f32', 'PyTorch fp32', 'PyTorch bf16 autocast', ...PEERS],
    steps: 5,
  },
  chat: {
    title: 'chat: conversations at batch 8, loss on answers only (fedtune packs)',
    case: 'chat',
    metric: 'target_tokens_per_second',
    variants: ['fedtune int8', ...CHAT_PEERS],
    warmup: 1,
    warmupCompiled: 7,
    steps: 6,
  },
  long: {
    title: 'long: 1 x 2048 tokens',
    case: 'long',
    ...even,
    variants: ['fedtune int8', ...PEERS],
    steps: 3,
  },
  qwen: {
    title: 'qwen: Qwen2.5-0.5B shape, 2 x 256 tokens',
    case: 'qwen',
    ...even,
    variants: ['fedtune int8', ...PEERS],
    steps: 4,
  },
  single: {
    title: 'single: SmolLM2-135M, one example of 128 tokens a step',
    case: 'single',
    ...even,
    variants: ['fedtune int8', ...PEERS],
    steps: 15,
  },
  federation: {
    title: 'federation: 8 clients, rounds of steps of chat (PyTorch client after client, compile time counted)',
    case: 'federation',
    metric: 'target_tokens_per_second',
    variants: [
      'fedtune int8',
      'PyTorch bf16 weights',
      'PyTorch bf16 weights, packed',
      'PyTorch bf16 weights, compiled, packed',
    ],
    repeats: 1,
  },
  forced: {
    title: 'forced: case full held to older instructions',
    case: 'full',
    ...forced,
    variants: [...forced.variants, 'fedtune int8, portable'],
  },
  'forced-chat': {
    title: 'forced-chat: case chat held to AVX2',
    case: 'chat',
    metric: 'target_tokens_per_second',
    variants: ['fedtune int8, AVX2', 'PyTorch fp32, AVX2, packed'],
    warmup: 1,
    steps: 6,
    repeats: 1,
  },
  'forced-long': { title: 'forced-long: case long held to AVX2', case: 'long', ...forced },
  'forced-qwen': { title: 'forced-qwen: case qwen held to AVX2', case: 'qwen', ...forced },
  'forced-single': { title: 'forced-single: case single held to AVX2', case: 'single', ...forced, steps: 8 },
  others: {
    title: 'others: case full in JAX and MLX, once each',
    case: 'full',
    ...even,
    variants: ['fedtune int8', 'PyTorch bf16 weights', 'JAX fp32', 'JAX bf16 weights', 'MLX bf16 weights'],
    steps: 2,
    repeats: 1,
  },
};

/** The variants of a comparison on a machine: without instructions for bf16, PyTorch's weights stay in fp32. */
export function variantsOn({ features }, { variants }) {
  const slowBf16 = features.includes('avx2') && !features.includes('avx512bf16');
  const names = variants.map((name) =>
    slowBf16 ? name.replace(/^PyTorch bf16 (weights|autocast)/, 'PyTorch fp32') : name,
  );
  return [...new Set(names)];
}

/** The case of a comparison as files for both sides; `quick` makes it short, `rounds` and `localSteps` size the federation. */
export async function prepare(name, { data, model, quick, rounds, localSteps }) {
  const sizes = quick ? { rounds: 1, localSteps: 1 } : { rounds, localSteps };
  return makeCase(COMPARISONS[name].case, { data, model, ...(name === 'federation' ? sizes : {}) });
}

function runSide(variant, comparison, testCase, { threads, quick, limitSeconds, ...options }) {
  // Packed batches of a case all have one shape.
  const warmupCompiled = variant.layout === 'packed' ? even.warmupCompiled : comparison.warmupCompiled;
  const warmup = COMPILED.has(variant.compile) ? warmupCompiled : comparison.warmup;
  const lengths = quick ? { warmup: 1, steps: 1 } : { warmup: warmup ?? 0, steps: comparison.steps ?? 0 };
  if (variant.side === 'ours') {
    const { precision, kernels } = variant;
    return runOurs(testCase, { precision, kernels, threads, workers: Math.min(2, threads), ...lengths }, options);
  }
  const { program, mode, compile, layout, venv, env } = variant;
  const args = ['--case', testCase.path, '--mode', mode, '--threads', String(threads)];
  const own = variant.lengths ?? lengths;
  args.push('--warmup', String(own.warmup), '--steps', String(own.steps));
  if (compile !== undefined) args.push('--compile', compile, '--layout', layout ?? 'padded');
  if (limitSeconds > 0) args.push('--limit', String(limitSeconds));
  // Kernels that a hurried run chose are not used in a measurement.
  const cache = join(CACHE, quick ? 'inductor-quick' : 'inductor');
  return runPython(program, args, { ...options, env: { TORCHINDUCTOR_CACHE_DIR: cache, ...env }, venv });
}

const federationRates = ({ targets, wall_seconds }) => ({ target_tokens_per_second: targets / wall_seconds });

/**
 * Runs one variant once, in a process of its own, and returns its speeds, its steps and the high-water mark of the resident bytes of
 * that process (compilers that it starts do not count). `settings`: threads, quick, timeoutSeconds, limitSeconds (federation of
 * PyTorch: the rest is estimated), onLine (lines of progress). Throws where the variant fails or takes too long.
 */
export async function runVariant(name, comparison, testCase, settings) {
  const before = performance.now();
  const result = await runSide(VARIANTS[name], comparison, testCase, settings);
  const speeds =
    result.steps === undefined
      ? federationRates(result)
      : comparison.case === 'chat'
        ? overallRates(result)
        : rates(result);
  return { ...result, ...speeds, total_seconds: (performance.now() - before) / 1000 };
}
