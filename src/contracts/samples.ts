import type { RunConfig } from '../config/schema.js';
import type { Which } from './evaluation.js';

/** Longest answer in tokens. */
export const SAMPLE_TOKENS = 96;

/** Where an owner leaves its own adapter of a round for the one who answers on its machine, in its home. */
export const SAMPLED_FOLDER = 'sampled';

/** Whether adapters answer questions after this round; those of the last are asked at the end. */
export const isSampled = (
  { samples, samples_every: every, num_rounds: last }: Pick<RunConfig, 'samples' | 'samples_every' | 'num_rounds'>,
  round: number,
): boolean => samples.length > 0 && every > 0 && round > 0 && round % every === 0 && round < last;

/** One line of samples.jsonl: an answer to a question of the run file. Of the same round, question and who, the last one counts. */
export interface SampleAnswer {
  readonly round: number;
  /** Whose adapter or question: an owner's, or `which` alone. */
  readonly owner?: string;
  readonly which: Which;
  readonly prompt: string;
  readonly answer: string;
}
