import type { Adapter } from '../adapter/layout.js';
import type { EvalJob, EvalOutcome } from './job.js';

/** One adapter to be scored on one client's split. */
export interface ScoreRequest<Key> {
  readonly key: Key;
  /** null: the bare base. */
  readonly adapter: Adapter | null;
  readonly indices: readonly number[];
}

export interface ScoredRequest<Key> extends ScoreRequest<Key> {
  readonly outcome: EvalOutcome;
}

/** Scores every request on the pool, the same adapter on the same examples only once. Order is that of the requests. */
export async function scoreAdapters<Key>(
  pool: { evaluate(job: EvalJob): Promise<EvalOutcome> },
  requests: readonly ScoreRequest<Key>[],
): Promise<{ scored: ScoredRequest<Key>[]; tokens: number }> {
  const running = new Map<Adapter | null, Map<readonly number[], Promise<EvalOutcome>>>();
  let tokens = 0;
  const scored = await Promise.all(
    requests.map(async (request) => {
      const { adapter, indices } = request;
      const byIndices = running.get(adapter) ?? new Map<readonly number[], Promise<EvalOutcome>>();
      running.set(adapter, byIndices);
      let outcome = byIndices.get(indices);
      if (!outcome) {
        outcome = pool.evaluate({ adapter, indices });
        byIndices.set(indices, outcome);
        const done = await outcome;
        tokens += done.tokens;
      }
      return { ...request, outcome: await outcome };
    }),
  );
  return { scored, tokens };
}
