import type { Track, TrackResult } from '../methods/work.js';

export type { Phase, SearchPhase, Track, TrackResult, TrainPhase } from '../methods/work.js';

/** All that one client does in one round. Plain data (structured-cloneable), so that any worker can redo it. */
export interface ClientJob {
  readonly client: string;
  readonly round: number;
  /** Derived from (run seed, round, client); orders examples and seeds dropout. */
  readonly seed: number;
  /** Indices of the client's training examples in the tokenised data of the run (`ClientEnv.example`). */
  readonly trainIndices: readonly number[];
  readonly tracks: readonly Track[];
}

export interface ClientResult {
  readonly client: string;
  readonly round: number;
  readonly tracks: readonly TrackResult[];
  /** Seconds of the worker; outside of everything that must be equal between runs. */
  readonly seconds: number;
}
