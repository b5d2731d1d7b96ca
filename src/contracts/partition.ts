import type { DataSummary } from '../data/summary.js';
import type { EvalSplit } from './evaluation.js';
import type { DroppedCounts } from './messages.js';

/** Form of partition.json. */
export const PARTITION_VERSION = 2;

/** What the run folder says of one owner: counts alone, as the owner told them. */
export interface PartitionedOwner {
  readonly id: string;
  /** Its folder below `owners/` and `adapters/`. */
  readonly folder: string;
  /** Rows dealt to it. */
  readonly rows: number;
  /** Examples by split. */
  readonly train: number;
  readonly valid: number;
  readonly test: number;
  /** Target tokens of the training examples. */
  readonly targets: number;
  /** Training examples by category, where examples have one. */
  readonly categories: Readonly<Record<string, number>>;
  /** Examples that were left out, and how many by why; examples that were cut to `seq_length`. */
  readonly dropped: number;
  readonly dropped_why: DroppedCounts;
  readonly cut: number;
  /** Target tokens of all examples in use, and those that were cut off. */
  readonly targets_used: number;
  readonly targets_lost: number;
}

/** The content of partition.json: who has how much. Which examples, each owner keeps in its `owners/<folder>/split.json`. */
export interface PartitionRecord {
  readonly version: typeof PARTITION_VERSION;
  readonly kind: string;
  /** Examples read, rows that could not be, and examples that belong to nobody. */
  readonly num_examples: number;
  readonly num_bad_rows: number;
  readonly num_unlabelled: number;
  readonly given_splits: readonly EvalSplit[];
  /** What reading the data gave: bad rows and why, unused columns. */
  readonly reading: DataSummary;
  /** Owners that stay out of the run (`on_small_owner: drop`), with their training examples. */
  readonly left_out: readonly { readonly id: string; readonly train: number }[];
  readonly clients: readonly PartitionedOwner[];
}
