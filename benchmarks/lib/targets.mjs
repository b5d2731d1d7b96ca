import { pairedRatio } from './stats.mjs';
import { VARIANTS } from './variants.mjs';

const theirs = (name) => VARIANTS[name]?.side === 'theirs';

/** Which of the peers a target is against, by what the table calls them. */
const RIVALS = {
  'the fastest eager peer': (name) => theirs(name) && VARIANTS[name].compile === 'no',
  'the fastest peer': theirs,
  'the leanest peer': theirs,
  'the fastest peer held to AVX2': (name) => VARIANTS[name]?.env?.MKL_ENABLE_INSTRUCTIONS === 'AVX2',
  'PyTorch fp32': (name) => name === 'PyTorch fp32',
};

/**
 * `wanted`: the limit and the goal by kind of machine. Speeds are at least, memory at most. Kinds without a column of their own
 * have no limit: what is measured there is only told.
 */
const row = (kind, ours, against, wanted) => ({ kind, ours, against, wanted });
const eager = (vnni, amx) => row('speed', 'fedtune int8', 'the fastest eager peer', { vnni, amx });
const best = (vnni, amx) => row('speed', 'fedtune int8', 'the fastest peer', { vnni, amx });
const memory = (...limit) => row('memory', 'fedtune int8', 'the leanest peer', { any: limit });
const always = (ours, against, limit) => row('speed', ours, against, { any: [limit] });
const avx2 = (limit) => always('fedtune int8, AVX2', 'the fastest peer held to AVX2', limit);

/** What each comparison must reach. */
export const TARGETS = {
  full: [
    eager([2.8, 3.5], [4, 5]),
    best([2, 2.5], [2.5, 3]),
    memory(1 / 8, 1 / 12),
    always('fedtune f32', 'PyTorch fp32', 1),
  ],
  chat: [best([2.5, 3.5], [3, 4])],
  long: [best([2.5, 3], [2.7, 3.5])],
  qwen: [best([2.2, 3], [2.5, 3])],
  single: [best([2, 3], [2, 3])],
  federation: [best([2], [2])],
  forced: [avx2(1.3), always('fedtune int8, portable', 'the fastest peer held to AVX2', 0.1)],
  'forced-chat': [avx2(1)],
  'forced-long': [avx2(1)],
  'forced-qwen': [avx2(1)],
  'forced-single': [avx2(1)],
  others: [],
};

/** The one of `names` that is hardest to beat: most a second, or fewest bytes. */
function hardest(kind, names, values) {
  const sign = kind === 'speed' ? 1 : -1;
  return names.sort((a, b) => sign * (values[b].median - values[a].median))[0];
}

function judgeOne({ kind, ours, against, wanted }, machine, variants, summary) {
  const [best] = machine.kernels;
  const [limit, goal] = wanted.any ?? wanted[best === 'avx512bf16' ? 'vnni' : best] ?? [];
  const target = { kind, ours, against, limit, goal };
  const values = kind === 'speed' ? summary.speeds : summary.memory;
  // A peer that should have run and did not leaves the row open: what was not measured cannot be passed.
  const missing = variants
    .filter(RIVALS[against])
    .filter((name) => values[name] === undefined && !summary.failed.includes(name));
  const opponent = hardest(kind, Object.keys(values).filter(RIVALS[against]), values);
  if (values[ours] === undefined || opponent === undefined || missing.length > 0) return { ...target, pass: null };
  const { ratio, min, max } = pairedRatio(values[ours].values, values[opponent].values);
  const reached = kind === 'speed' ? ratio >= limit : ratio <= limit;
  return { ...target, opponent, ratio, min, max, pass: limit === undefined ? null : reached };
}

/**
 * Holds the summary of a comparison against its targets, each against the best of the peers that ran. `machine`: whose first of
 * `kernels` names the kind; `variants`: what should have run; `summary`: `speeds` and `memory` by variant (each `{median, values}`,
 * values in the order of the repeats), `failed`: variants that could not run. A row's `pass` is null where something was not
 * measured or nothing is wanted.
 */
export function judge(comparison, { machine, variants, summary }) {
  return TARGETS[comparison].map((target) => judgeOne(target, machine, variants, summary));
}
