import { z } from 'zod';

const count = z.int().positive();

/** Keys of the run file on how updates are merged, whatever the method. */
export const mergeKeys = {
  merge_weights: z
    .enum(['size', 'tokens', 'uniform'])
    .nullable()
    .default(null)
    .describe('Weights of the clients in a merge; null: `uniform` with a mutation or `sampling: size`, else `size`.'),
  average_last_rounds: count
    .max(1000)
    .default(1)
    .describe('Merged adapters of so many last rounds whose mean is scored and taken home; 1: the last alone.'),
  robust: z
    .enum(['none', 'median', 'trimmed_mean', 'krum', 'multi_krum', 'norm_clip'])
    .default('none')
    .describe('A robust merge instead of the weighted mean.'),
  trim_fraction: z.number().min(0).max(0.49).default(0.2).describe('trimmed_mean: share cut off at each end.'),
  byzantine: z.int().min(0).default(1).describe('krum, multi_krum: dishonest clients to withstand.'),
  krum_select: count.nullable().default(null).describe('multi_krum: clients to average; null: all but the dishonest.'),
  clip_norm: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('norm_clip: longest update; null: the median of the round.'),
};

export type MergeOptions = Readonly<z.output<z.ZodObject<typeof mergeKeys>>>;
/** What robust merging reads of them. */
export type RobustOptions = Omit<MergeOptions, 'merge_weights' | 'average_last_rounds'>;
