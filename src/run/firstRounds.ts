import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import type { Update } from '../contracts/messages.js';
import { encodeMessage } from '../links/codec.js';
import { methodOf } from '../methods/index.js';
import type { ClientContext, ClientHalf, ClientUpdate, Sending, StateDocument } from '../methods/method.js';
import { makeTrainPhase } from '../methods/schedule.js';
import type { SearchPhase, Track, TrackResult } from '../methods/work.js';
import { makeContext } from '../server/context.js';
import { chooseClients } from '../server/rounds.js';
import type { RunClient } from '../server/types.js';
import { makeFederation } from './federation.js';
import type { DescribedOwner } from './owners.js';
import type { Prepared } from './prepare.js';

/** What one client does and sends in a round, the mean over a few. */
export interface ClientRound {
  /** Sequences that pass through training, and through a search. */
  readonly trained: number;
  readonly searched: number;
  /** Of the encoded messages. */
  readonly bytesDown: number;
  readonly bytesUp: number;
}

/** A round that stands for some of a run. */
export interface RoundKind extends ClientRound {
  readonly times: number;
}

export interface FirstRounds {
  /** In order, those of a run together; the last kind may be of none. */
  readonly rounds: readonly RoundKind[];
  /** Of the adapters that are trained, which may be wider than the one that is asked for. */
  readonly layout: AdapterLayout;
  /** Number of clients whose rounds were gone through. */
  readonly clients: number;
}

/** Clients whose round is gone through; mutation pairs them. */
const CLIENTS = { least: 2, most: 6 };
/** Bytes that their adapters take together, at most where two are enough. */
const MAX_BYTES = 256e6;

const NONE: ClientRound = { trained: 0, searched: 0, bytesDown: 0, bytesUp: 0 };

/** Sequences of a track: those of its training, and of a search (warm-up and the gradient that scores entries). */
function sequencesOf({ phases }: Track): Pick<ClientRound, 'trained' | 'searched'> {
  const sum = { trained: 0, searched: 0 };
  for (const phase of phases) {
    if (phase.kind === 'search') {
      const { steps, batchSize, gradientAccumulationSteps } = phase.warmup;
      sum.searched += steps * batchSize * gradientAccumulationSteps + phase.importanceSamples;
    } else sum.trained += phase.steps * phase.batchSize * phase.gradientAccumulationSteps;
  }
  return sum;
}

/** As large a mask as a search leaves: in every module the first entries that its budget allows. */
function masked(adapter: Adapter, { budgetRank }: SearchPhase): Adapter {
  const { layout } = adapter;
  const mask = new Uint8Array(layout.size);
  for (const { offsetA, inDim, outDim, rank } of layout.modules) {
    mask.fill(1, offsetA, offsetA + Math.min(budgetRank, rank) * (inDim + outDim));
  }
  return { ...adapter, values: adapter.values.map((value, i) => value * mask[i]!), mask };
}

/** The result of local work that leaves the adapter as it was. */
function untrained({ name, adapter, phases }: Track): TrackResult {
  const search = phases.find((phase) => phase.kind === 'search');
  const wantsMean = phases.some((phase) => phase.kind === 'train' && phase.wantMeanGradient);
  return {
    name,
    adapter: search ? masked(adapter, search) : adapter,
    losses: [],
    meanGradient: wantsMean ? new Float32Array(adapter.values.length) : null,
    tokens: { train: 0, search: 0, targets: 0 },
  };
}

const numSteps = (tracks: readonly Track[]): number =>
  tracks[0]?.phases.reduce((sum, phase) => sum + (phase.kind === 'train' ? phase.steps : 0), 0) ?? 0;

/** Both halves of a method, one round, with nothing trained. */
class DryRound {
  readonly #config: Prepared['config'];
  readonly #half: ClientHalf;
  readonly #states = new Map<string, StateDocument | undefined>();
  /** The largest that was trained. */
  layout: AdapterLayout;

  constructor({ config, method, options, layout, initial }: Prepared) {
    this.#config = config;
    this.layout = layout;
    this.#half = method.client({ layout, initial, seed: config.seed, numRounds: config.num_rounds, options });
  }

  client(client: RunClient, received: Sending, round: number): { does: ClientRound; update: ClientUpdate } {
    const context: ClientContext = {
      client,
      round,
      trainPhase: (overrides) => makeTrainPhase(this.#config, round, client.numTrain, overrides),
    };
    const before = this.#states.get(client.id);
    const tracks = this.#half.work(received, before, context);
    for (const { adapter } of tracks) if (adapter.layout.size > this.layout.size) this.layout = adapter.layout;
    const { parts, note, state } = this.#half.keep(received, tracks.map(untrained), before, context);
    this.#states.set(client.id, state);
    const same = { round, turn: round, parts, note };
    const said: Update = {
      ...{ kind: 'update', ...same, tokens: { train: 1e5, search: 0, targets: 1e5 } },
      losses: new Array<number>(numSteps(tracks)).fill(Math.PI),
      seconds: new Float64Array(1),
    };
    const asked = { kind: 'train', arm: 'main', attempt: 0, seed: 2 ** 31, state: round, keep: [round] } as const;
    const sum = tracks
      .map(sequencesOf)
      .reduce((a, b) => ({ trained: a.trained + b.trained, searched: a.searched + b.searched }));
    const does = {
      ...sum,
      bytesDown: encodeMessage({ ...asked, round, turn: round, parts: received.parts, note: received.note }).bytes,
      bytesUp: encodeMessage(said).bytes,
    };
    return { does, update: { client: client.id, round, parts, note } };
  }
}

function meanOf(rounds: readonly ClientRound[]): ClientRound {
  const mean = (key: keyof ClientRound) => rounds.reduce((sum, one) => sum + one[key], 0) / Math.max(1, rounds.length);
  return {
    trained: mean('trained'),
    searched: mean('searched'),
    bytesDown: mean('bytesDown'),
    bytesUp: mean('bytesUp'),
  };
}

/**
 * The same run as it is gone through: robust merges want as many clients as a run has, and change nothing of what is sent. A method in a
 * file of the user, whose halves may do anything, counts as fedavg.
 */
function rehearsed(prepared: Prepared): Prepared {
  const config = { ...prepared.config, robust: 'none' as const };
  if (config.strategy === null) return { ...prepared, config };
  return { ...prepared, config: { ...config, strategy: null }, method: methodOf('fedavg'), options: {} };
}

/** The rounds to go through, each with how many of the run it stands for: the first and the next, or those about the method's turn. */
function kindsOf({ config, method, options }: Prepared): { round: number; times: number }[] {
  const { num_rounds: all } = config;
  const turn = method.turn?.(options, all) ?? 1;
  const after = { round: turn + 1, times: Math.max(0, all - turn) };
  if (turn <= 1) return [{ round: 1, times: 1 }, after];
  if (turn > all) return [{ round: 1, times: all }];
  return [{ round: 1, times: turn - 1 }, { round: turn, times: 1 }, after];
}

/**
 * What a client of this method does and sends in its first rounds, and before, in and after the one in which it turns to something
 * else, found out by both halves of the method with nothing trained. Nothing for a method that stands for all owners.
 */
export function firstRounds(run: Prepared, owners: readonly DescribedOwner[]): FirstRounds {
  const prepared = rehearsed(run);
  const { config } = prepared;
  const federation = makeFederation(prepared, owners);
  const { capabilities, clients, arms } = federation;
  if (capabilities.pooled) {
    return { rounds: [{ ...NONE, times: config.num_rounds }], layout: prepared.layout, clients: 1 };
  }
  const dry = new DryRound(prepared);
  const room = Math.floor(MAX_BYTES / (Float32Array.BYTES_PER_ELEMENT * prepared.layout.size));
  const count = Math.min(CLIENTS.most, Math.max(CLIENTS.least, room));
  const few = chooseClients(federation, 1).sampled.slice(0, count);
  const kinds = kindsOf(prepared);
  const rounds = kinds.map(({ round, times }, at): RoundKind => {
    const context = makeContext({ config, round, clients: few, nextClients: few, allClients: clients });
    const sent = arms.main.send(context);
    const done = few.map((client) => dry.client(client, sent.get(client.id)!, round));
    if (at < kinds.length - 1) {
      arms.main.aggregate(
        done.map(({ update }) => update),
        context,
      );
    }
    const mean = meanOf(done.map(({ does }) => does));
    return { ...mean, ...(capabilities.silent && { bytesDown: 0, bytesUp: 0 }), times };
  });
  return { rounds, layout: dry.layout, clients: few.length };
}
