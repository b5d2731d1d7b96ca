import type { Adapter } from '../adapter/layout.js';

/** Local optimisation of one client in one round. */
export interface TrainPhase {
  readonly kind: 'train';
  /** Optimizer steps; each sees `gradientAccumulationSteps` micro-batches of `batchSize` examples. */
  readonly steps: number;
  readonly batchSize: number;
  readonly gradientAccumulationSteps: number;
  /** Learning rate of each step, `steps` values (the schedule over rounds is already applied). */
  readonly learningRates: readonly number[];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** 0: no clipping. */
  readonly maxGradNorm: number;
  /** One byte an entry: 0 freezes it (keeps its value); null: all trainable. The adapter's mask is added to it. */
  readonly trainable: Uint8Array | null;
  /** Proximal pull to the adapter that this phase starts from (fedprox) or to `anchor` (ditto); 0: none. */
  readonly proxMu: number;
  readonly anchor: Float32Array | null;
  /** SCAFFOLD's c - c_i, added to every gradient; null: none. */
  readonly gradientOffset: Float32Array | null;
  /** Return the mean of the raw gradients over the steps (SCAFFOLD). */
  readonly wantMeanGradient: boolean;
}

/** PerFIT's search: warm up, score, prune in nested stages, rewind. */
export interface SearchPhase {
  readonly kind: 'search';
  readonly warmup: Omit<TrainPhase, 'kind'>;
  /** Examples whose mean gradient scores the entries. */
  readonly importanceSamples: number;
  readonly stages: number;
  /** What entries are ranked by: |theta * gradient|, size, or (a control) chance. */
  readonly score: 'taylor' | 'magnitude' | 'random';
  readonly prune: 'element' | 'rank';
  readonly scope: 'module' | 'global';
  /** `B`: all of A is kept. */
  readonly factors: 'both' | 'B';
  /** r_i: the budget a module is r_i * (inDim + outDim) entries. */
  readonly budgetRank: number;
  /** Go back to the received values (masked) after the search. */
  readonly rewind: boolean;
}

export type Phase = TrainPhase | SearchPhase;

/** AdamW's moments (in the order of the trained adapter's entries) and step count. */
export interface OptimizerState {
  readonly step: number;
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/**
 * One stream of local work: phases one after the other on one adapter. The optimizer is fresh at each phase, or goes on from
 * the track's last phase, of an earlier round too (`optimizer_state: keep`); after a search it is always fresh.
 */
export interface Track {
  /** `main` is what a method uploads; others (ditto's `personal`) never leave the owner. */
  readonly name: string;
  /** What the track starts from. Its mask, if any, holds in every phase until a search replaces it. */
  readonly adapter: Adapter;
  readonly phases: readonly Phase[];
}

export interface TrackResult {
  readonly name: string;
  readonly adapter: Adapter;
  /** Mean NLL of each optimizer step, in order. */
  readonly losses: readonly number[];
  readonly meanGradient: Float32Array | null;
  /** What the optimizer ended with, where it is kept. */
  readonly optimizer?: OptimizerState;
  /** Tokens (all, and targets only) that passed through training and through search. */
  readonly tokens: { readonly train: number; readonly search: number; readonly targets: number };
}
