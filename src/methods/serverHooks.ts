import type { DenseAdapter } from '../adapter/components.js';
import type { Factors } from '../adapter/factors.js';
import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import type { Part } from '../adapter/part.js';
import type { MergeRow } from '../merge/mean.js';
import type { RobustResult } from '../merge/robust.js';
import type { ClientInfo, RoundContext, Sending, StateDocument } from './method.js';
import type { CheckedUpdate } from './updates.js';

/** Which factors are trained and which travel and are averaged, by round. */
export interface FactorRule {
  /** @default both */
  trains?(round: number): Factors;
  /** @default those that are trained */
  averages?(round: number): Factors;
}

/** Makes a part once for all clients that are sent the same, by a name of the content. */
export type Share = (name: string, make: () => Part) => Part;

/** What goes to one client. */
export interface Outgoing {
  readonly client: ClientInfo;
  readonly round: number;
  /** The merged adapter, or the mutant of it for this client; not to be written to. */
  readonly values: Float32Array;
  /** The merged adapter. */
  readonly theta: Float32Array;
  readonly isMutant: boolean;
  readonly share: Share;
}

/** Whose updates are in a merge. */
export interface Merged {
  /** Sorted by client id, each with the mask of its update. */
  readonly took: readonly { readonly client: ClientInfo; readonly mask: Uint8Array | null }[];
  readonly context: RoundContext;
}

/** A round's updates and their mean. */
export interface MergedRound {
  /** Sorted by client id. */
  readonly updates: readonly CheckedUpdate[];
  /** The same as rows of the merge. */
  readonly rows: readonly MergeRow[];
  /** The merged adapter before any server optimizer. */
  readonly mean: Float32Array;
  readonly context: RoundContext;
}

/** Where a method differs from fedavg at the server; every hook has fedavg's as its default. */
export interface ServerHooks {
  /** Space of the merged adapter and its first values. @default the fresh adapter */
  readonly start?: DenseAdapter;
  /** The client's own mask, where the merge needs it. @default all ones */
  maskOf?(client: ClientInfo): Uint8Array | null;
  /** Whether a client may get a mutant this round. @default true */
  isMutable?(client: ClientInfo, round: number): boolean;
  /** What goes to one client. @default the averaged factors inside its mask */
  send?(outgoing: Outgoing): Sending;
  /** Layout in which a client gets and returns its adapter. @default that of `start` */
  layoutOf?(client: ClientInfo): AdapterLayout;
  /** Looks at what `learn` reads of an update besides its adapter. Throws FedtuneError or AdapterError that names the client. */
  check?(update: CheckedUpdate): void;
  /** An update as a row of the merge. @default its values, weighed by `merge_weights` */
  toRow?(update: CheckedUpdate): MergeRow;
  /** The merge of the rows; `before` stands where no row has an entry. @default robustMerge, the mean among it */
  combine?(rows: readonly MergeRow[], before: Float32Array): RobustResult;
  /** Takes note of who took part, before the server's step; returns metrics. */
  meet?(merged: Merged): Readonly<Record<string, unknown>>;
  /** What is learned of all updates besides their mean, which so have to wait in memory for each other; returns metrics. */
  learn?(round: MergedRound): Readonly<Record<string, unknown>>;
  /** The new merged adapter from the old one and the mean; a server optimizer works here. @default the mean */
  step?(theta: Float32Array, mean: Float32Array): Float32Array;
  /** What a client is given to score and to take home; `share` holds until the next merge. @default the merged adapter */
  offer?(client: ClientInfo, theta: Float32Array, share: Share): Sending;
  /** The merged adapter as it stands for itself. @default theta in the space of `start` */
  global?(theta: Float32Array): Adapter | undefined;
  masks?(): ReadonlyMap<string, Uint8Array>;
  /** What the hooks keep between rounds. */
  state?(): StateDocument;
  restore?(state: StateDocument): void;
}
