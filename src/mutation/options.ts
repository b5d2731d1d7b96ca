import { z } from 'zod';

/** Keys of the run file on mutation, whatever the method. */
export const mutationKeys = {
  mutation: z
    .enum(['none', 'fedmut', 'fedqp', 'fedmut-released', 'pairs'])
    .default('none')
    .describe('What the server does to the adapter it sends; `pairs` only weighs clients as a mutated round does.'),
  alpha: z.number().min(0).default(1).describe('Strength of the mutation; 0 turns it off.'),
  mutation_start: z
    .int()
    .min(2)
    .nullable()
    .default(null)
    .describe('First round that gets mutants; null: 3, and 2 for fedmut-released.'),
  mutation_bound: z
    .number()
    .positive()
    .nullable()
    .default(0.3)
    .describe("Longest step that a factor of a module is mutated by, as a share of that factor's norm; null: any."),
  beta_0: z
    .number()
    .min(0)
    .max(2)
    .nullable()
    .default(null)
    .describe('Unbalance of mutants at the start; null: 0, and 0.3 for fedmut-released.'),
  mutation_decay: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Rounds over which beta falls to 0; null: `num_rounds`, and 50 for fedmut-released.'),
  mutation_groups: z.enum(['module', 'layer', 'stage']).default('module').describe('What shares one sign.'),
  mutate: z
    .enum(['alternate', 'both'])
    .default('alternate')
    .describe('Mutate one factor a round, or both with independent signs.'),
  cone_degrees: z
    .number()
    .positive()
    .max(90)
    .default(45)
    .describe('fedqp: half-angle of the cone around the global step; 90: the half-space.'),
  qp_constraints: z
    .enum(['global', 'clients'])
    .default('global')
    .describe("fedqp: one constraint, or one for each client's direction."),
  momentum_cap: z
    .number()
    .positive()
    .nullable()
    .default(0.5)
    .describe("Bound on the mutation's share that acts as momentum; null: none."),
  centered: z.boolean().default(false).describe("Subtract the mutants' common part."),
};

export type MutationOptions = Readonly<z.output<z.ZodObject<typeof mutationKeys>>>;

/** Whether any round is mutated. */
export function isMutated({ mutation, alpha }: Pick<MutationOptions, 'mutation' | 'alpha'>): boolean {
  return mutation === 'pairs' || (mutation !== 'none' && alpha > 0);
}

/** First round that gets mutants: with LoRA the step of the first merge is all of B, so not the second one. */
export function firstMutatedRound({ mutation, mutation_start: start }: MutationOptions): number {
  return start ?? (mutation === 'fedmut-released' ? 2 : 3);
}

/** beta after `t` rounds: beta_0 * max(0, 1 - t / mutation_decay). */
export function betaAt({ mutation, beta_0, mutation_decay }: MutationOptions, t: number, numRounds: number): number {
  const isReleased = mutation === 'fedmut-released';
  const start = beta_0 ?? (isReleased ? 0.3 : 0);
  return start * Math.max(0, 1 - t / (mutation_decay ?? (isReleased ? 50 : numRounds)));
}
