import { shuffled } from '../random.js';
import { signGroups } from './groups.js';
import { betaAt } from './options.js';
import type { MutationInput, MutationPlan } from './plan.js';

/**
 * FedMut as its authors released it (AAAI 2024): every tensor for itself, half of the clients get +1 and half -1 + beta, shuffled
 * over all of them; the last of an odd number gets none. Both factors move at once, and nothing bounds the step.
 */
export function planReleased(
  input: MutationInput & { readonly arithmetic: NonNullable<MutationInput['arithmetic']> },
): MutationPlan {
  const { layout, options, factors, step, clients, random, arithmetic } = input;
  const { ranges } = signGroups(layout, 'module', factors);
  const beta = betaAt(options, input.round - 2, input.numRounds);
  const pairs = Math.floor(clients.length / 2);
  const sides = Array.from({ length: 2 * pairs }, (_, i) => (i % 2 === 0 ? 1 : -1 + beta));
  const table = ranges.map(() => shuffled(sides, random));
  const placeOf = new Map(clients.slice(0, 2 * pairs).map(({ id }, place) => [id, place]));
  const maskOf = new Map(clients.map(({ id, mask }) => [id, mask]));
  return {
    teams: [],
    metrics: { factors, beta, alpha: options.alpha, stepNorm: Math.sqrt(arithmetic.gram([step])[0]!) },
    mutantOf(client, values) {
      const place = placeOf.get(client);
      if (place === undefined) return undefined;
      const weights = Float64Array.from(table, (signs) => signs[place]!);
      const term = { values: step, mask: maskOf.get(client) ?? null, weights };
      return arithmetic.addCombination(values, [term], ranges, options.alpha);
    },
  };
}
