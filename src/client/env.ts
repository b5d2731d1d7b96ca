import type { AdapterLayout } from '../adapter/layout.js';
import type { NativeTrainer } from '../native/binding.js';

/** Where a client's work runs: the engine of one thread. Work changes nothing else. */
export interface ClientEnv {
  /**
   * The thread's trainer for adapters of this layout. It is kept between pieces of work, so values, mask, anchor, offset and
   * optimizer state are whatever the last one left: set or reset all of them.
   */
  trainer(layout: AdapterLayout): NativeTrainer;
}
