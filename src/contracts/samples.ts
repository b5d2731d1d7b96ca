import type { Which } from './evaluation.js';

/** One line of samples.jsonl: an answer to a question of the run file. Of the same round, question and who, the last one counts. */
export interface SampleAnswer {
  readonly round: number;
  /** Whose adapter: an owner's, or `which` alone. */
  readonly owner?: string;
  readonly which: Which;
  readonly prompt: string;
  readonly answer: string;
}
