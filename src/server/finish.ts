import type { Adapter } from '../adapter/layout.js';
import { type EvalSplit, type Scores, WHICH, type Which } from '../contracts/evaluation.js';
import { makeTrainPhase, stepsOfEpochs } from './context.js';
import {
  type Candidates,
  type ClientScore,
  candidatesOf,
  evaluateClients,
  scoresByClient,
  summarise,
} from './evaluate.js';
import { runPlans } from './runPlans.js';
import type { ClientPlan } from './strategy.js';
import type { Federation, LoopHost, LoopState, RunClient } from './types.js';

/** What one owner ends up with. */
export interface FinishedClient {
  readonly client: RunClient;
  readonly test: Scores;
  readonly valid: Scores;
  /** Which adapter the owner goes home with. */
  readonly takeHome: Which;
  /** That adapter; null: the base is better than all of them. */
  readonly adapter: Adapter | null;
  /** The owner's own adapter as it left the federation, where the method makes one. */
  readonly personalized?: Adapter;
}

export interface FinishedRun {
  readonly state: LoopState;
  readonly clients: readonly FinishedClient[];
  readonly global: Adapter | undefined;
  /** Every score on validation and test, per example. */
  readonly scores: readonly ClientScore[];
}

/** Fine-tunes what every client has (its own adapter, else the global one) on its own data; no communication. */
async function tuneClients(
  federation: Federation,
  host: LoopHost,
): Promise<{ tuned: Map<string, Adapter>; tokens: number }> {
  const { config, clients, strategy } = federation;
  const { finetune_steps: steps, finetune_epochs: epochs } = config;
  if (steps === 0 && epochs === 0) return { tuned: new Map(), tokens: 0 };
  host.progress({ kind: 'tuning', clients: clients.length });
  const plans = clients.flatMap((client): ClientPlan[] => {
    const adapters = strategy.personalize(client);
    const adapter = adapters.personalized ?? adapters.global ?? adapters.local;
    if (!adapter) return [];
    const count = steps > 0 ? steps : stepsOfEpochs(client, epochs, config);
    const phase = makeTrainPhase(config, 1, client, {
      steps: count,
      learningRates: new Array<number>(count).fill(config.learning_rate),
      trainable: adapters.trainable ?? null,
    });
    return [{ client: client.id, tracks: [{ name: 'main', adapter, phases: [phase] }], bytesDown: 0 }];
  });
  // A round of its own, so that no seed is that of a training round.
  const { results, failures } = await runPlans(federation, plans, config.num_rounds + 1, host);
  for (const failure of failures) host.emit({ type: 'client_failed', round: 'tuning', ...failure });
  return {
    tuned: new Map(results.map(({ client, tracks }) => [client, tracks[0]!.adapter])),
    tokens: results.reduce((sum, { tracks }) => sum + tracks[0]!.tokens.train, 0),
  };
}

/**
 * What an owner takes home: what the run file names, or whichever its own validation split prefers (ties go to the
 * earlier of base, local, global, personalized, tuned). Without validation examples: the most personal one there is.
 */
export function chooseTakeHome(
  wanted: Which | 'best_on_validation',
  valid: Scores,
  available: readonly Which[],
): Which {
  if (wanted !== 'best_on_validation') return available.includes(wanted) ? wanted : available.at(-1)!;
  const scored = available.filter((which) => valid[which] !== undefined);
  if (scored.length === 0) return available.at(-1)!;
  return scored.reduce((best, which) => (valid[which]!.nll < valid[best]!.nll ? which : best));
}

/** After the last round: fine-tuning, the scores of everything on validation and test, and what each owner takes home. */
export async function finishRun(federation: Federation, state: LoopState, host: LoopHost): Promise<FinishedRun> {
  const { config, clients, strategy } = federation;
  const { tuned, tokens: tuneTokens } = await tuneClients(federation, host);
  const all = new Map<string, Candidates>(
    clients.map((client) => {
      const own = tuned.get(client.id);
      return [client.id, { ...candidatesOf(federation, client), ...(own ? { tuned: own } : {}) }];
    }),
  );
  const splits: EvalSplit[] = ['valid', 'test'];
  const { scores, tokens } = await evaluateClients(clients, ({ id }) => all.get(id)!, splits, host, state.round);
  const valid = scoresByClient(clients, scores, 'valid');
  const test = scoresByClient(clients, scores, 'test');
  const finished = clients.map((client): FinishedClient => {
    const candidates = all.get(client.id)!;
    const available = WHICH.filter((which) => candidates[which] !== undefined);
    const takeHome = chooseTakeHome(config.take_home, valid.get(client.id)!, available);
    return {
      client,
      test: test.get(client.id)!,
      valid: valid.get(client.id)!,
      takeHome,
      adapter: candidates[takeHome] ?? null,
      ...(candidates.personalized ? { personalized: candidates.personalized } : {}),
    };
  });
  const final = summarise(
    state.round,
    'test',
    finished.map((client) => client.test),
  );
  host.emit({ type: 'final', ...final, take_home: Object.fromEntries(finished.map((c) => [c.client.id, c.takeHome])) });
  const totals = { ...state.totals, eval: state.totals.eval + tokens, tune: tuneTokens };
  return { state: { ...state, totals }, clients: finished, global: strategy.global(), scores };
}
