import type { ClientJob, ClientResult } from '../client/job.js';
import { POOLED } from '../contracts/pooled.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import { byCode } from '../order.js';
import { deriveSeed } from '../random.js';
import type { ClientPlan } from './strategy.js';
import type { Federation, LoopHost } from './types.js';

export interface PlanFailure {
  readonly client: string;
  readonly code: string;
  readonly message: string;
}

export interface PlanOutcome {
  /** Sorted by client id. */
  readonly results: ClientResult[];
  readonly failures: PlanFailure[];
}

/** The job of a plan: its seed comes from (run seed, round, client) alone. */
export function makeJob(federation: Federation, plan: ClientPlan, round: number): ClientJob {
  const { config, clients } = federation;
  const trainIndices =
    plan.client === POOLED
      ? clients.flatMap(({ train }) => train)
      : (clients.find(({ id }) => id === plan.client)?.train ?? []);
  return {
    client: plan.client,
    round,
    seed: deriveSeed(config.seed, 'job', round, plan.client),
    trainIndices,
    tracks: plan.tracks,
  };
}

/**
 * Rejects as soon as the run is interrupted; jobs under way are left to the pool's end. For a whole batch of jobs, not for
 * each: every call listens to the signal.
 */
export async function orInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    throw new InterruptedError('Interrupted.');
  }
  let stop: (() => void) | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => reject(new InterruptedError('Interrupted.'));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
    work.catch(() => {});
  }
}

function checkResult(job: ClientJob, result: ClientResult): void {
  if (result.client !== job.client || result.round !== job.round) {
    throw new FedtuneError(
      'WRONG_RESULT',
      `Expected the result of ${job.client} in round ${job.round} but received that of ${result.client} in round ${result.round}.`,
    );
  }
  for (const { name, adapter } of result.tracks) {
    const at = adapter.values.findIndex((value) => !Number.isFinite(value));
    if (at < 0) continue;
    throw new FedtuneError(
      'NON_FINITE',
      `Expected finite values from ${job.client} but entry ${at} of its ${name} adapter is ${adapter.values[at]}. Lower learning_rate.`,
    );
  }
}

async function runJob(job: ClientJob, host: LoopHost, retries: number): Promise<ClientResult | PlanFailure> {
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await host.pool.train(job);
      checkResult(job, result);
      return result;
    } catch (error) {
      // The pool was closed under it: no failure of the client, nothing to try again.
      if (host.signal.aborted) throw new InterruptedError('Interrupted.');
      const { message } = error as Error;
      const code = error instanceof FedtuneError ? error.code : 'WORKER';
      const again = attempt < retries;
      host.progress({ kind: 'failed', round: job.round, client: job.client, message, again });
      if (!again) return { client: job.client, code, message };
    }
  }
}

/** Runs plans on the pool, each tried again up to `retries` times; what fails for good is reported, never made up. */
export async function runPlans(
  federation: Federation,
  plans: readonly ClientPlan[],
  round: number,
  host: LoopHost,
): Promise<PlanOutcome> {
  const work = plans.map(async (plan) => {
    const outcome = await runJob(makeJob(federation, plan, round), host, federation.config.retries);
    if ('tracks' in outcome && !host.signal.aborted) {
      const tokens = outcome.tracks.reduce((sum, { tokens: t }) => sum + t.train + t.search, 0);
      const loss = outcome.tracks[0]?.losses.at(-1);
      host.progress({ kind: 'job', round, client: outcome.client, tokens, seconds: outcome.seconds, loss });
    }
    return outcome;
  });
  const outcomes = await orInterrupted(Promise.all(work), host.signal);
  const results = outcomes.filter((outcome) => 'tracks' in outcome);
  const failures = outcomes.filter((outcome): outcome is PlanFailure => !('tracks' in outcome));
  return { results: results.sort((a, b) => byCode(a.client, b.client)), failures };
}
