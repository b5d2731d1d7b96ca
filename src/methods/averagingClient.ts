import { type Factors, factorMask } from '../adapter/factors.js';
import type { Adapter } from '../adapter/layout.js';
import { type Parts, packPart, unpackPart } from '../adapter/part.js';
import type {
  ClientAdapters,
  ClientContext,
  ClientHalf,
  ClientInfo,
  MethodInit,
  Sending,
  StateDocument,
} from './method.js';
import type { FactorRule } from './serverHooks.js';
import { trackOf } from './tracks.js';
import { partOf } from './updates.js';
import type { Phase, Track, TrackResult, TrainPhase } from './work.js';

/** A client's round, as its hooks see it. */
export interface Turn<State> {
  readonly received: Sending;
  /** What is kept at home since the last round; undefined before the first. */
  readonly state: State | undefined;
  readonly context: ClientContext;
  /** What the main track starts from. */
  readonly adapter: Adapter;
}

/** A round after the training. */
export interface DoneTurn<State> extends Turn<State> {
  readonly main: TrackResult;
  readonly results: readonly TrackResult[];
}

/** Where a method differs from fedavg at the client; every hook has fedavg's as its default. Pure functions. */
export interface ClientHooks<State = unknown> {
  /** What the main track starts from. @default the adapter received; factors that did not travel are the fresh ones */
  open?(received: Sending, state: State | undefined, context: ClientContext): Adapter;
  /** Overrides of the training phase. */
  training?(turn: Turn<State>): Partial<TrainPhase>;
  /** The phases of the main track. @default one training phase */
  phases?(turn: Turn<State>): Phase[];
  /** Tracks that stay with the client. */
  beside?(turn: Turn<State>): Track[];
  /** What travels. @default the averaged factors of the trained adapter */
  upload?(turn: DoneTurn<State>): Parts;
  /** Plain JSON that travels beside it; the server checks it before it believes it. @default null */
  note?(turn: DoneTurn<State>): unknown;
  /** What is kept. @default nothing */
  keep?(turn: DoneTurn<State>): State;
  /** What exists for the owner. @default the merged adapter */
  adapters?(offered: Sending, state: State | undefined, client: ClientInfo): ClientAdapters;
}

/** The client of every method that averages factors. Without hooks it is fedavg's. */
export function averagingClient<State>(
  init: MethodInit<unknown>,
  hooks: ClientHooks<State>,
  factors: FactorRule,
): ClientHalf {
  const { layout } = init;
  const trains = factors.trains ?? ((): Factors => 'both');
  const averages = factors.averages ?? trains;
  const read = ({ parts }: Sending): Adapter => {
    const part = partOf(parts, 'adapter', 'the server');
    return part.factors === 'both' ? unpackPart(part, layout) : unpackPart(part, layout, { fallback: init.initial });
  };
  const open = (received: Sending, document: StateDocument, context: ClientContext): Turn<State> => {
    const state = document as State | undefined;
    return { received, state, context, adapter: hooks.open?.(received, state, context) ?? read(received) };
  };

  return {
    work(received, document, context) {
      const turn = open(received, document, context);
      const phases = hooks.phases?.(turn) ?? [
        context.trainPhase({
          trainable: factorMask(turn.adapter.layout, trains(context.round)),
          ...hooks.training?.(turn),
        }),
      ];
      return [{ name: 'main', adapter: turn.adapter, phases }, ...(hooks.beside?.(turn) ?? [])];
    },
    keep(received, results, document, context) {
      const main = trackOf(results, 'main');
      const turn: DoneTurn<State> = { ...open(received, document, context), main, results };
      const parts = hooks.upload?.(turn) ?? { adapter: packPart(main.adapter, { factors: averages(context.round) }) };
      return { parts, note: hooks.note?.(turn) ?? null, state: hooks.keep?.(turn) };
    },
    adapters: (offered, document, client) =>
      hooks.adapters?.(offered, document as State | undefined, client) ?? { global: read(offered) },
  };
}
