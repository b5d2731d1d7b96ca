import { pairedRatio } from './stats.mjs';

const EAGER = ['PyTorch fp32', 'PyTorch bf16'];
const COMPILED = ['PyTorch fp32, compiled', 'PyTorch bf16, compiled'];

const speed = (against, limit, goal) => ({ kind: 'speed', ours: 'fedtune int8', against, limit, goal });
const memory = (limit, goal) => ({ kind: 'memory', ours: 'fedtune int8', against: ['PyTorch fp32'], limit, goal });
const forced = (ours, limit) => ({ kind: 'speed', ours, against: ['PyTorch fp32, AVX2'], limit });

/** What each comparison must reach; `goal` is what it would like to. Speeds are at least, memory at most. */
export const TARGETS = {
  full: [
    speed(EAGER, 2.5, 4),
    speed([...EAGER, ...COMPILED], 1.5, 2.5),
    memory(1 / 6, 1 / 10),
    { kind: 'speed', ours: 'fedtune f32', against: ['PyTorch fp32'], limit: 1 },
  ],
  chat: [speed(EAGER, 4, 8), speed([...EAGER, ...COMPILED], 3, 6), memory(1 / 6)],
  long: [speed(EAGER, 2.5), speed([...EAGER, ...COMPILED], 1.5), memory(1 / 4)],
  qwen: [speed(EAGER, 2.5, 4), speed([...EAGER, ...COMPILED], 1.5), memory(1 / 4)],
  federation: [speed(EAGER, 2.5), speed([...EAGER, ...COMPILED], 2), memory(1 / 6)],
  forced: [forced('fedtune int8, AVX2', 1), forced('fedtune int8, portable', 0.1)],
};

/** The variant out of `names` whose median speed is highest; undefined where none of them ran. */
function fastest(names, speeds) {
  const ran = names.filter((name) => speeds[name] !== undefined);
  return ran.sort((a, b) => speeds[b].median - speeds[a].median)[0];
}

function judgeOne(target, summary) {
  const values = target.kind === 'speed' ? summary.speeds : summary.memory;
  const opponent = target.kind === 'speed' ? fastest(target.against, values) : target.against[0];
  const [one, other] = [values[target.ours], values[opponent]];
  // A peer that should have run and did not leaves the row open: what was not measured cannot be passed.
  const missing = target.against.filter((name) => values[name] === undefined && !summary.failed.includes(name));
  if (one === undefined || other === undefined || missing.length > 0) return { ...target, pass: null };
  const { ratio, min, max } = pairedRatio(one.values, other.values);
  const pass = target.kind === 'speed' ? ratio >= target.limit : ratio <= target.limit;
  return { ...target, opponent, ratio, min, max, pass };
}

/**
 * Holds the summary of a comparison against its targets. `summary`: `speeds` and `memory` by variant (each
 * `{median, values}`, values in the order of the repeats), `failed`: variants that could not run. A row's `pass` is null where
 * something was not measured.
 */
export function judge(comparison, summary) {
  return TARGETS[comparison].map((target) => judgeOne(target, summary));
}
