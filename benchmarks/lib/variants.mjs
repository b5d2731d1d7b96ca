import { runPython } from '../peers/python.mjs';
import { makeCase } from './cases.mjs';
import { watchTree } from './memory.mjs';
import { overallRates, rates, runOurs } from './ours.mjs';

const pytorch = (mode, compile, env = {}) => ({ side: 'theirs', mode, compile, env });
const ours = (precision, kernels = 'auto') => ({ side: 'ours', precision, kernels });

/** MKL and oneDNN choose their instructions themselves; this holds them to AVX2 as well. */
const ALL_AVX2 = { ATEN_CPU_CAPABILITY: 'avx2', MKL_ENABLE_INSTRUCTIONS: 'AVX2', ONEDNN_MAX_CPU_ISA: 'AVX2' };

/** Everything that is timed, by name. */
export const VARIANTS = {
  'fedtune int8': ours('int8'),
  'fedtune f32': ours('f32'),
  'fedtune int8, AVX2': ours('int8', 'avx2'),
  'fedtune int8, portable': ours('int8', 'portable'),
  'PyTorch fp32': pytorch('fp32', false),
  'PyTorch bf16': pytorch('bf16', false),
  'PyTorch fp32, compiled': pytorch('fp32', true),
  'PyTorch bf16, compiled': pytorch('bf16', true),
  'PyTorch bf16 weights': pytorch('bf16-weights', false),
  'PyTorch fp32, AVX2': pytorch('fp32', false, { ATEN_CPU_CAPABILITY: 'avx2' }),
  'PyTorch fp32, AVX2 throughout': pytorch('fp32', false, ALL_AVX2),
};

const PEERS = ['PyTorch fp32', 'PyTorch bf16', 'PyTorch fp32, compiled', 'PyTorch bf16, compiled'];

/**
 * The comparisons. `metric`: what a second is worth. `warmup`: untimed steps of us and of eager PyTorch; `warmupCompiled`:
 * one more than the different batches of a case, so that every shape has been compiled.
 */
export const COMPARISONS = {
  full: {
    title: 'full: SmolLM2-135M, 4 x 256 tokens, every token a target',
    case: 'full',
    metric: 'tokens_per_second',
    variants: ['fedtune int8', 'fedtune f32', ...PEERS],
    warmup: 1,
    warmupCompiled: 3,
    steps: 6,
  },
  chat: {
    title: 'chat: conversations at batch 8, loss on answers only (PyTorch pads, fedtune packs)',
    case: 'chat',
    metric: 'target_tokens_per_second',
    variants: ['fedtune int8', ...PEERS],
    warmup: 1,
    warmupCompiled: 7,
    steps: 6,
  },
  long: {
    title: 'long: 1 x 2048 tokens',
    case: 'long',
    metric: 'tokens_per_second',
    variants: ['fedtune int8', ...PEERS],
    warmup: 1,
    warmupCompiled: 3,
    steps: 4,
  },
  qwen: {
    title: 'qwen: Qwen2.5-0.5B shape, 2 x 256 tokens',
    case: 'qwen',
    metric: 'tokens_per_second',
    variants: ['fedtune int8', ...PEERS],
    warmup: 1,
    warmupCompiled: 3,
    steps: 4,
  },
  federation: {
    title: 'federation: 8 clients, rounds of steps of chat (PyTorch client after client, compile time counted)',
    case: 'federation',
    metric: 'target_tokens_per_second',
    variants: ['fedtune int8', ...PEERS],
    repeats: 1,
  },
  forced: {
    title: 'forced: case full held to older instructions',
    case: 'full',
    metric: 'tokens_per_second',
    variants: ['fedtune int8, AVX2', 'PyTorch fp32, AVX2', 'PyTorch fp32, AVX2 throughout', 'fedtune int8, portable'],
    warmup: 1,
    warmupCompiled: 3,
    steps: 2,
  },
};

/** The case of a comparison as files for both sides; `quick` makes it short, `rounds` and `localSteps` size the federation. */
export async function prepare(name, { data, model, quick, rounds, localSteps }) {
  const sizes = quick ? { rounds: 1, localSteps: 1 } : { rounds, localSteps };
  return makeCase(COMPARISONS[name].case, { data, model, ...(name === 'federation' ? sizes : {}) });
}

function runSide(variant, comparison, testCase, { threads, quick, limitSeconds, ...options }) {
  const warmup = variant.compile ? comparison.warmupCompiled : comparison.warmup;
  const lengths = quick ? { warmup: 1, steps: 1 } : { warmup: warmup ?? 0, steps: comparison.steps ?? 0 };
  if (variant.side === 'ours') {
    const { precision, kernels } = variant;
    return runOurs(testCase, { precision, kernels, threads, workers: Math.min(2, threads), ...lengths }, options);
  }
  const args = ['--case', testCase.path, '--mode', variant.mode, '--threads', String(threads)];
  args.push('--warmup', String(lengths.warmup), '--steps', String(lengths.steps));
  if (variant.compile) args.push('--compile');
  if (limitSeconds > 0) args.push('--limit', String(limitSeconds));
  return runPython('torch_train.py', args, { ...options, env: variant.env });
}

const federationRates = ({ targets, wall_seconds }) => ({ target_tokens_per_second: targets / wall_seconds });

/**
 * Runs one variant once, in processes of its own, and returns its speeds, its steps and the high-water mark of its process
 * tree: the largest sum of resident bytes seen, or the largest of the process itself where that is more. `settings`: threads,
 * quick, timeoutSeconds, limitSeconds (federation of PyTorch: the rest is estimated), onLine (lines of progress). Throws where the variant fails or takes too long.
 */
export async function runVariant(name, comparison, testCase, settings) {
  let watch;
  const onStart = (child) => {
    watch = watchTree(child.pid);
  };
  const before = performance.now();
  const result = await runSide(VARIANTS[name], comparison, testCase, { ...settings, onStart }).finally(() => {
    watch?.stop();
  });
  const speeds =
    result.steps === undefined
      ? federationRates(result)
      : comparison.case === 'chat'
        ? overallRates(result)
        : rates(result);
  const peak = Math.max(watch.stop(), result.peak_rss_bytes);
  return { ...result, ...speeds, peak_rss_bytes: peak, total_seconds: (performance.now() - before) / 1000 };
}
