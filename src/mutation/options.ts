import { z } from 'zod';

/** Keys of the run file on mutation, whatever the method. */
export const mutationKeys = {
  mutation: z
    .enum(['none', 'fedmut', 'fedqp'])
    .default('none')
    .describe('What the server does to the adapter it sends.'),
  alpha: z.number().min(0).default(1).describe('Strength of the mutation; 0 turns it off.'),
  beta_0: z
    .number()
    .min(0)
    .max(2)
    .nullable()
    .default(null)
    .describe('Unbalance of a mutated pair in round 1; null: 0.'),
  mutation_decay: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Rounds over which beta falls to 0; null: `num_rounds`.'),
  mutation_groups: z.enum(['module', 'layer', 'stage']).default('module').describe('What shares one sign.'),
  mutate: z
    .enum(['alternate', 'both'])
    .default('alternate')
    .describe('Mutate one factor a round, or both with independent signs.'),
  cone_degrees: z
    .number()
    .positive()
    .max(90)
    .default(90)
    .describe('fedqp: half-angle of the cone around the global step.'),
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
