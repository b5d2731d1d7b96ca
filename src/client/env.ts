import type { AdapterLayout } from '../adapter/layout.js';
import type { TokenizedExample } from '../data/types.js';
import type { NativeTrainer } from '../native/binding.js';

/** Where a client's job runs: the engine and the tokenised data of one worker. Jobs change nothing else. */
export interface ClientEnv {
  /**
   * The worker's trainer for adapters of this layout. It is kept between jobs, so values, mask, anchor, offset and
   * optimizer state are whatever the last job left: set or reset all of them.
   */
  trainer(layout: AdapterLayout): NativeTrainer;
  /** A tokenised example of the run by its index (`ClientJob.trainIndices` holds such indices). */
  example(index: number): TokenizedExample;
}
