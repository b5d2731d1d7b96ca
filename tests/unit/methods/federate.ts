import type { Adapter, AdapterLayout } from '../../../src/adapter/layout.js';
import { partBytes } from '../../../src/adapter/part.js';
import type { ClientEnv } from '../../../src/client/env.js';
import type { ExampleList } from '../../../src/client/examples.js';
import { runTracks } from '../../../src/client/localWork.js';
import { methodOptions } from '../../../src/config/methodOptions.js';
import { parseConfig } from '../../../src/config/parse.js';
import type { RunConfig } from '../../../src/config/schema.js';
import { type Arithmetic, plainArithmetic } from '../../../src/merge/arithmetic.js';
import { methodOf } from '../../../src/methods/index.js';
import type {
  ClientAdapters,
  ClientContext,
  ClientHalf,
  ClientInfo,
  ClientUpdate,
  Method,
  MethodInit,
  RoundContext,
  Sending,
  ServerHalf,
  StateDocument,
} from '../../../src/methods/method.js';
import { makeTrainPhase, stepsOf } from '../../../src/methods/schedule.js';
import type { Track, TrackResult, TrainPhase } from '../../../src/methods/work.js';
import type { NativeTrainer } from '../../../src/native/binding.js';
import { POOLED } from '../../../src/pooled.js';
import { deriveSeed, randomStream } from '../../../src/random.js';
import { type QuadraticClient, QuadraticTrainer, toyLayout } from './quadratic.js';

/** What a round sent, got and merged. */
export interface ToyRound {
  readonly sent: ReadonlyMap<string, Sending>;
  readonly updates: readonly ClientUpdate[];
  readonly tracks: ReadonlyMap<string, readonly Track[]>;
  readonly results: ReadonlyMap<string, readonly TrackResult[]>;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly state: StateDocument;
  /** What clients have kept by now. */
  readonly kept: ReadonlyMap<string, StateDocument>;
}

/** A method's two halves around clients that train `work` with. */
export class Toy {
  readonly config: RunConfig;
  readonly clients: readonly ClientInfo[];
  readonly init: MethodInit<unknown>;
  readonly server: ServerHalf;
  readonly client: ClientHalf;
  /** What each client keeps at home. */
  readonly kept = new Map<string, StateDocument>();
  readonly rounds: ToyRound[] = [];
  readonly #train: (tracks: readonly Track[], seed: number, client: string) => TrackResult[];

  constructor(params: {
    readonly config: RunConfig;
    readonly method?: Method;
    readonly layout: AdapterLayout;
    readonly initial: Float32Array;
    readonly clients: readonly ClientInfo[];
    readonly train: (tracks: readonly Track[], seed: number, client: string) => TrackResult[];
    readonly arithmetic?: Arithmetic;
  }) {
    const { config, layout, initial, clients } = params;
    const method = params.method ?? methodOf(config.method);
    this.config = config;
    this.clients = clients;
    this.init = {
      layout,
      initial,
      seed: config.seed,
      numRounds: config.num_rounds,
      options: methodOptions(method, config),
    };
    const init = this.init as MethodInit<Record<string, unknown>>;
    this.server = method.server({ ...init, merge: config, clients, arithmetic: params.arithmetic ?? plainArithmetic });
    this.client = method.client(init);
    this.#train = params.train;
  }

  context(round: number, clients: readonly ClientInfo[] = this.clients): RoundContext {
    const { config } = this;
    return {
      round,
      numRounds: config.num_rounds,
      clients,
      nextClients: clients,
      allClients: this.clients,
      random: (purpose) => randomStream(config.seed, 'strategy', round, purpose),
      stepsOf: ({ numTrain }) => stepsOf(numTrain, config, round),
    };
  }

  #info(id: string): ClientInfo {
    const sum = (count: (client: ClientInfo) => number) => this.clients.reduce((total, c) => total + count(c), 0);
    if (id !== POOLED) return this.clients.find((client) => client.id === id)!;
    return {
      id,
      numTrain: sum(({ numTrain }) => numTrain),
      numTargets: sum((c) => c.numTargets),
      rank: this.config.lora_r,
    };
  }

  #contextOf(id: string, round: number): ClientContext {
    const client = this.#info(id);
    const trainPhase = (overrides: Partial<TrainPhase> = {}) =>
      makeTrainPhase(this.config, round, client.numTrain, overrides);
    return { client, round, trainPhase };
  }

  /** The local work of one client. */
  work(id: string, sending: Sending, round: number): readonly Track[] {
    return this.client.work(sending, this.kept.get(id), this.#contextOf(id, round));
  }

  /** One round: send, work, keep, merge. */
  round(clients: readonly ClientInfo[] = this.clients): ToyRound {
    const round = this.rounds.length + 1;
    const context = this.context(round, clients);
    const sent = this.server.send(context);
    const updates: ClientUpdate[] = [];
    const tracks = new Map<string, readonly Track[]>();
    const results = new Map<string, readonly TrackResult[]>();
    for (const [id, sending] of sent) {
      const work = this.work(id, sending, round);
      const done = this.#train(work, deriveSeed(this.config.seed, 'job', round, id), id);
      const { parts, note, state } = this.client.keep(sending, done, this.kept.get(id), this.#contextOf(id, round));
      if (state !== undefined) this.kept.set(id, structuredClone(state));
      updates.push({ client: id, round, parts: structuredClone(parts), note });
      tracks.set(id, work);
      results.set(id, done);
    }
    const { metrics } = this.server.aggregate(updates, context);
    const done: ToyRound = {
      sent,
      updates,
      tracks,
      results,
      metrics,
      state: structuredClone(this.server.state()),
      kept: new Map(this.kept),
    };
    this.rounds.push(done);
    return done;
  }

  /** Takes up the states of both halves that another run had after `rounds` rounds. */
  goOn(run: Toy, rounds: number): void {
    const { state, kept } = run.rounds[rounds - 1]!;
    this.server.restore(structuredClone(state));
    for (const [id, own] of kept) this.kept.set(id, structuredClone(own));
    this.rounds.push(...run.rounds.slice(0, rounds));
  }

  /** The adapters that exist for a client now. */
  adapters(client: ClientInfo): ClientAdapters {
    return this.client.adapters(this.server.offer(client), this.kept.get(client.id), client);
  }

  global(): Adapter {
    return this.server.global()!;
  }
}

/** Bytes of the tensors of some messages. */
export function bytesOf(sendings: Iterable<Sending>): number {
  let bytes = 0;
  for (const { parts } of sendings) for (const part of Object.values(parts)) bytes += partBytes(part);
  return bytes;
}

/** A toy federation on clients with quadratic losses, before its first round. */
export function quadraticToy(
  settings: Record<string, unknown>,
  quadratics: readonly QuadraticClient[],
  more: { layout?: AdapterLayout; initial?: Float32Array; method?: Method; arithmetic?: Arithmetic } = {},
): Toy {
  const layout = more.layout ?? toyLayout();
  const config = parseConfig({
    lora_r: layout.modules[0]!.rank,
    num_rounds: 60,
    local_steps: 3,
    batch_size: 1,
    learning_rate: 0.1,
    eval_every: 0,
    merge_weights: 'size',
    importance_samples: 1,
    ...settings,
  });
  const clients = quadratics.map(({ numTrain = 4, rank }, k): ClientInfo => {
    return { id: `client-${k}`, numTrain, numTargets: numTrain, rank: rank ?? config.lora_r };
  });
  // An example says by its first token whose it is.
  const ownOf = (k: number) => Array.from({ length: clients[k]!.numTrain }, () => k);
  const examplesOf = (owners: readonly number[]): ExampleList => ({
    count: owners.length,
    example: (i) => ({ id: String(i), tokens: Int32Array.of(owners[i]!, 0), lossMask: Uint8Array.of(0, 1) }),
  });
  const env: ClientEnv = {
    trainer: (wanted) => new QuadraticTrainer(wanted, quadratics) as unknown as NativeTrainer,
  };
  return new Toy({
    config,
    layout,
    initial: more.initial ?? Float32Array.from({ length: layout.size }, (_, p) => Math.sin(p + 1)),
    clients,
    ...(more.method ? { method: more.method } : {}),
    ...(more.arithmetic ? { arithmetic: more.arithmetic } : {}),
    train(tracks, seed, client) {
      const owners = client === POOLED ? clients.flatMap((_, k) => ownOf(k)) : ownOf(Number(client.slice(7)));
      return runTracks(tracks, { env, examples: examplesOf(owners), seed });
    },
  });
}

/** Runs a method's real code over all its rounds. */
export function runToy(...params: Parameters<typeof quadraticToy>): Toy {
  const toy = quadraticToy(...params);
  for (let round = 0; round < toy.config.num_rounds; round++) toy.round();
  return toy;
}
