import type { Arithmetic } from '../merge/arithmetic.js';
import { type GlobalStep, type Mutation, mutationTerms } from './mutant.js';

/** What the mutations of a round have in common. */
export interface Fan {
  /** Mean step of the mutants along g, in units of g. */
  readonly c: number;
  /** Angle in degrees between the mutants' mean and g. */
  readonly angle: number;
  /** Norm of what of the mean is off g's axis, in units of |g|. */
  readonly remainder: number;
}

type Sums = Pick<Arithmetic, 'sumCombinations'>;

const degrees = (cosine: number): number => (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;

/** Squared norm of the sum of the mutations. Without masks it is one mutation with the sums of their coefficients. */
function squaredSum(step: GlobalStep, mutations: readonly Mutation[], arithmetic: Sums): number {
  const [first] = mutations;
  if (first === undefined) return 0;
  const add = (of: (mutation: Mutation) => number): number => mutations.reduce((total, m) => total + of(m), 0);
  const joined = (): Mutation => {
    const signs = first.input.signs.map((_, at) => add(({ raw, input }) => raw * input.signs[at]!));
    const rows = first.rows.map((_, k) => add((mutation) => mutation.rows[k]!));
    return { ...first, input: { ...first.input, signs }, raw: 1, along: add(({ along }) => along), rows };
  };
  const isDense = mutations.every(({ input: { mask, teamMask } }) => mask === null && teamMask === null);
  const terms = (isDense ? [joined()] : mutations).map((mutation) => mutationTerms(step, mutation));
  const sum = arithmetic.sumCombinations(terms, step.groups.ranges, step.g.length);
  return sum.reduce((total, x) => total + x * x, 0);
}

/** Measures the mean of `numClients` clients' mutations, of which those who get none are zero. */
export function measureFan(
  step: GlobalStep,
  mutations: readonly Mutation[],
  gg: number,
  numClients: number,
  arithmetic: Sums,
): Fan {
  const along = mutations.reduce((sum, { xg }) => sum + xg, 0) / numClients;
  const meanNorm = squaredSum(step, mutations, arithmetic) / numClients ** 2;
  const c = along / gg;
  return {
    c,
    angle: meanNorm > 0 ? degrees(along / Math.sqrt(meanNorm * gg)) : 90,
    remainder: Math.sqrt(Math.max(0, meanNorm - c * c * gg) / gg),
  };
}

/** What is logged of the mutant alpha * (x - shift * g): its dual weight, its length and its angle to g. */
export function describeMutant({ lambda, xx, xg, gg }: Mutation, alpha: number, shift: number) {
  const norm = Math.sqrt(Math.max(0, xx - 2 * shift * xg + shift * shift * gg));
  const cosine = norm > 0 && gg > 0 ? (xg - shift * gg) / (norm * Math.sqrt(gg)) : 0;
  return { lambda, angle: degrees(cosine), norm: alpha * norm };
}
