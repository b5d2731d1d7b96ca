import { setImmediate as pause } from 'node:timers/promises';
import { parseConfig } from '../../../src/config/parse.js';
import type { Description, Finished, Reply, Request, Scored, Update } from '../../../src/contracts/messages.js';
import type { Answer, Link } from '../../../src/links/link.js';
import type { ServerHalf } from '../../../src/methods/method.js';
import type { Federation, RunClient } from '../../../src/server/types.js';

/** A note that stands for all that an owner keeps: which turns it has been through. */
type History = readonly number[];

/**
 * Owners without data or engine. Each keeps its states as real ones do (a state a turn, the others gone when the server
 * says so) and refuses what a real one could not do; its update tells the turns that it has been through.
 */
export class ToyOwners implements Link {
  readonly workers = 2;
  readonly asked: { readonly owner: string; readonly request: Request }[] = [];
  /** Called before a reply; may throw, or wait. */
  onRequest: (owner: string, request: Request) => unknown = () => {};
  readonly #states = new Map<string, Map<number, History>>();

  async ask<R extends Request>(owner: string, request: R): Promise<Answer<R['kind']>> {
    this.asked.push({ owner, request });
    await this.onRequest(owner, request);
    await pause();
    const reply: Reply = this.#reply(owner, request);
    return { reply: reply as Answer<R['kind']>['reply'], bytesDown: 1000, bytesUp: 500 };
  }

  async close(): Promise<void> {}

  /** What an owner has gone through on the way to a state. */
  history(owner: string, turn: number, arm = 'main'): History {
    if (turn === 0) return [];
    const state = this.#states.get(`${arm}/${owner}`)?.get(turn);
    if (!state) throw new Error(`${owner} has no state of turn ${turn}`);
    return state;
  }

  #reply(owner: string, request: Request): Reply {
    if (request.kind === 'describe') return {} as Description;
    if (request.kind === 'train') {
      const history = [...this.history(owner, request.state, request.arm), request.turn];
      const key = `${request.arm}/${owner}`;
      const kept = [...(this.#states.get(key) ?? [])].filter(([turn]) => request.keep.includes(turn));
      this.#states.set(key, new Map([...kept, [request.turn, history]]));
      return {
        kind: 'update',
        round: request.round,
        turn: request.turn,
        parts: {},
        note: history,
        losses: [1 / request.round],
        tokens: { train: 300, search: 100, targets: 9 },
        seconds: Float64Array.of(1),
      } satisfies Update;
    }
    this.history(owner, request.states.main);
    this.history(owner, request.states.local, 'local');
    if (request.kind === 'score') {
      return { kind: 'scored', scores: { base: { nll: 2, tokens: 1 } }, tokens: 5 } satisfies Scored;
    }
    return {
      kind: 'finished',
      valid: {},
      test: {},
      takeHome: 'base',
      tokens: { eval: 5, tune: 0, local: 0 },
      tuneFailure: null,
    } satisfies Finished;
  }
}

/** A server's half whose merged state is the log of what it merged. */
export class ToyServer implements ServerHalf {
  merged: string[] = [];

  send({ clients }: Parameters<ServerHalf['send']>[0]) {
    return new Map(clients.map(({ id }) => [id, { parts: {}, note: null }]));
  }
  aggregate(updates: Parameters<ServerHalf['aggregate']>[0], { round }: Parameters<ServerHalf['aggregate']>[1]) {
    const told = updates.map(({ client, note }) => `${client}:${(note as History).join('>')}`);
    this.merged = [...this.merged, `${round} ${told.join(' ')}`];
    return { metrics: {} };
  }
  offer() {
    return { parts: {}, note: null };
  }
  global() {
    return undefined;
  }
  rebase(late: Parameters<NonNullable<ServerHalf['rebase']>>[0], _sent: unknown, _factor: number, round: number) {
    return { ...late, round };
  }
  state() {
    return this.merged;
  }
  restore(state: unknown): void {
    this.merged = state as string[];
  }
}

export function toyFederation(
  settings: Record<string, unknown>,
  numClients = 4,
): Federation & { readonly server: ToyServer } {
  const clients = Array.from(
    { length: numClients },
    (_, i): RunClient => ({ id: `owner-${i}`, numTrain: i + 1, numTargets: 10, rank: 2, numValid: 1, numTest: 1 }),
  );
  const server = new ToyServer();
  const config = parseConfig({ num_rounds: 6, eval_every: 2, ...settings });
  return {
    config,
    clients,
    server,
    capabilities: { gives: ['global'] },
    arms: { main: server, ...(config.also_local ? { local: new ToyServer() } : {}) },
  };
}
