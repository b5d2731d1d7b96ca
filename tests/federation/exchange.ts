import type { TrainRequest, Update } from '../../src/contracts/messages.js';

/** What a server asks, and an update that answers it. */
export const TRAIN: TrainRequest = {
  ...{ kind: 'train', arm: 'main', round: 1, turn: 1, attempt: 0, seed: 1, state: 0, keep: [], note: null },
  parts: { adapter: { ranks: 1, factors: 'both', mask: 'none', values: new Float32Array(8), bits: new Uint8Array(0) } },
};
export const UPDATE: Update = {
  ...{ kind: 'update', round: 1, turn: 1, parts: TRAIN.parts, note: null, losses: [1] },
  ...{ tokens: { train: 1, search: 0, targets: 1 }, seconds: Float64Array.of(1) },
};
