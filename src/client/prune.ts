import type { AdapterLayout, LayoutModule } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import type { PruneUnit } from './pruneScores.js';

/** How much of an adapter a pruning stage keeps. */
export interface PruneOptions {
  readonly prune: PruneUnit;
  readonly scope: 'module' | 'global';
  /** `B`: all of A is kept, and B is pruned to r_i * outDim entries. @default both */
  readonly factors?: 'both' | 'B';
  /** r_i: a module ends with r_i * (in + out) entries (`rank`: r_i components). */
  readonly budgetRank: number;
  /** Stage, from 1 to `stages`. */
  readonly stage: number;
  readonly stages: number;
}

/** Share of a factor's even budget that `scope: "global"` never prunes, so that no A or B empties. */
const GLOBAL_FLOOR = 0.1;

/** What stage j of J keeps of `total` on the way to `budget`: total * (budget / total)^(j / J), exactly the budget at the end. */
export function stageBudget(total: number, budget: number, stage: number, stages: number): number {
  if (stage >= stages) return budget;
  return Math.max(budget, Math.round(total * (budget / total) ** (stage / stages)));
}

/**
 * The `count` candidates of the highest score, equal scores by lower index; `candidates` ascending, and so the result.
 * Throws AdapterError EQUAL_SCORES where all candidates score the same, so that nothing is pruned arbitrarily.
 */
export function topCandidates(
  scores: Float64Array,
  candidates: Uint32Array,
  count: number,
  where: string,
): Uint32Array {
  if (count >= candidates.length) return candidates;
  if (count <= 0) return new Uint32Array(0);
  const sorted = new Float64Array(candidates.length);
  for (let i = 0; i < sorted.length; i++) sorted[i] = scores[candidates[i]!]!;
  sorted.sort();
  if (sorted[0] === sorted.at(-1)) {
    throw new AdapterError(
      'EQUAL_SCORES',
      `Expected importance scores that differ in ${where} but all ${candidates.length} are ${sorted[0]}; raise warmup_steps (a fresh adapter has B = 0, so its scores are all 0) or importance_samples.`,
    );
  }
  const threshold = sorted[sorted.length - count]!;
  let ties = count;
  for (const p of candidates) if (scores[p]! > threshold) ties--;
  return candidates.filter((p) => scores[p]! > threshold || (scores[p] === threshold && ties-- > 0));
}

/** Where the mask is 1, between `start` and `end`, and, where `but` is given, that is 0. */
function survivors(mask: Uint8Array, start: number, end: number, but?: Uint8Array): Uint32Array {
  const result = new Uint32Array(end - start);
  let count = 0;
  for (let p = start; p < end; p++) if (mask[p] === 1 && but?.[p] !== 1) result[count++] = p;
  return result.subarray(0, count);
}

function concatenate(parts: readonly Uint32Array[]): Uint32Array {
  const result = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

const moduleEnd = ({ offsetB, outDim, rank }: LayoutModule): number => offsetB + outDim * rank;

/** Where a factor lies, and its entries a rank component. */
interface FactorRange {
  readonly start: number;
  readonly end: number;
  readonly dim: number;
}

/** The factors of a module that are pruned. */
function prunedFactors(module: LayoutModule, factors: PruneOptions['factors']): FactorRange[] {
  const { offsetA, offsetB, inDim, outDim } = module;
  const B = { start: offsetB, end: moduleEnd(module), dim: outDim };
  return factors === 'B' ? [B] : [{ start: offsetA, end: offsetB, dim: inDim }, B];
}

function pruneElements(
  layout: AdapterLayout,
  scores: Float64Array,
  mask: Uint8Array,
  options: PruneOptions,
): Uint8Array {
  const { budgetRank, stage, stages } = options;
  const next = new Uint8Array(mask.length);
  const keep = (entries: Uint32Array): void => {
    for (const p of entries) next[p] = 1;
  };
  const pruned = layout.modules.map((module) => ({ module, ranges: prunedFactors(module, options.factors) }));
  const entriesOfRank = (ranges: readonly FactorRange[]): number => ranges.reduce((sum, { dim }) => sum + dim, 0);
  const sizes = pruned.map(({ module, ranges }) => ({
    total: module.rank * entriesOfRank(ranges),
    budget: Math.min(budgetRank, module.rank) * entriesOfRank(ranges),
  }));
  if (options.scope === 'module') {
    pruned.forEach(({ module, ranges }, m) => {
      const count = stageBudget(sizes[m]!.total, sizes[m]!.budget, stage, stages);
      keep(topCandidates(scores, survivors(mask, ranges[0]!.start, moduleEnd(module)), count, module.module));
    });
    return next;
  }
  let kept = 0;
  for (const { module, ranges } of pruned) {
    for (const { start, end, dim } of ranges) {
      const floor = Math.ceil(GLOBAL_FLOOR * Math.min(budgetRank, module.rank) * dim);
      const held = topCandidates(scores, survivors(mask, start, end), floor, module.module);
      kept += held.length;
      keep(held);
    }
  }
  const sum = (of: 'total' | 'budget') => sizes.reduce((all, size) => all + size[of], 0);
  const rest = concatenate(
    pruned.map(({ module, ranges }) => survivors(mask, ranges[0]!.start, moduleEnd(module), next)),
  );
  const count = stageBudget(sum('total'), sum('budget'), stage, stages) - kept;
  keep(topCandidates(scores, rest, count, 'all modules together'));
  return next;
}

function keepComponent(mask: Uint8Array, module: LayoutModule, component: number): void {
  mask.fill(1, module.offsetA + component * module.inDim, module.offsetA + (component + 1) * module.inDim);
  for (let row = 0; row < module.outDim; row++) mask[module.offsetB + row * module.rank + component] = 1;
}

function pruneRanks(layout: AdapterLayout, scores: Float64Array, mask: Uint8Array, options: PruneOptions): Uint8Array {
  const { budgetRank, stage, stages } = options;
  const places = layout.modules.flatMap((module) => Array.from({ length: module.rank }, (_, c) => ({ module, c })));
  const isAlive = (at: number): boolean => mask[places[at]!.module.offsetB + places[at]!.c] === 1;
  const next = new Uint8Array(mask.length);
  const keep = (chosen: Iterable<number>): void => {
    for (const at of chosen) keepComponent(next, places[at]!.module, places[at]!.c);
  };
  let start = 0;
  const held = new Set<number>();
  for (const module of layout.modules) {
    const alive = Uint32Array.from({ length: module.rank }, (_, c) => start + c).filter(isAlive);
    const count =
      options.scope === 'module'
        ? stageBudget(module.rank, Math.min(budgetRank, module.rank), stage, stages)
        : Math.min(1, alive.length);
    for (const at of topCandidates(scores, alive, count, module.module)) held.add(at);
    start += module.rank;
  }
  keep(held);
  if (options.scope === 'module') return next;
  const budget = layout.modules.reduce((sum, module) => sum + Math.min(budgetRank, module.rank), 0);
  const rest = Uint32Array.from(places.keys()).filter((at) => isAlive(at) && !held.has(at));
  const count = stageBudget(places.length, budget, stage, stages) - held.size;
  keep(topCandidates(scores, rest, count, 'all modules together'));
  return next;
}

/**
 * One stage of PerFIT's pruning: a mask inside `mask` of exactly the stage's budget.
 * `element`: entries with the highest score (one an entry), per module or over all modules (with a floor for each factor).
 * `rank`: whole components with the highest score (one a component, module after module), `budgetRank` a module or as many on
 * average over all modules (at least one each).
 */
export function pruneStage(
  layout: AdapterLayout,
  scores: Float64Array,
  mask: Uint8Array,
  options: PruneOptions,
): Uint8Array {
  // The budget is the whole space (expansion 1): nothing is pruned, so nothing needs unlike scores.
  if (layout.modules.every(({ rank }) => rank <= options.budgetRank)) return mask;
  const next = (options.prune === 'element' ? pruneElements : pruneRanks)(layout, scores, mask, options);
  if (options.factors === 'B') for (const { offsetA, offsetB } of layout.modules) next.fill(1, offsetA, offsetB);
  return next;
}
