import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ClientJob, ClientResult } from '../../../src/client/job.js';
import type { Progress } from '../../../src/contracts/progress.js';
import { InterruptedError } from '../../../src/errors.js';
import { runPlans } from '../../../src/server/runPlans.js';
import type { Federation, LoopHost } from '../../../src/server/types.js';

const ids = Array.from({ length: 40 }, (_, i) => `owner-${i}`);
const plans = ids.map((client) => ({ client, tracks: [], bytesDown: 0 }));
const federation = { config: { seed: 1, retries: 3 }, clients: ids.map((id) => ({ id, train: [0] })) };
const done = ({ client, round }: ClientJob) => ({ client, round, tracks: [], seconds: 0 }) as unknown as ClientResult;

/** A pool whose jobs end when the test says so. */
function openPool() {
  const waiting: { job: ClientJob; end(error?: Error): void }[] = [];
  const train = (job: ClientJob) =>
    new Promise<ClientResult>((resolve, reject) => {
      waiting.push({ job, end: (error) => (error ? reject(error) : resolve(done(job))) });
    });
  const controller = new AbortController();
  const seen: Progress[] = [];
  const host = { pool: { train }, signal: controller.signal, progress: (progress: Progress) => seen.push(progress) };
  const run = () => runPlans(federation as never as Federation, plans, 1, host as never as LoopHost);
  return { waiting, controller, seen, run, listeners: () => getEventListeners(controller.signal, 'abort').length };
}

describe('interrupting a round', () => {
  it('listens to the signal once, however many clients there are, and no longer than the round', async () => {
    const { waiting, seen, run, listeners } = openPool();
    const outcome = run();
    expect(waiting).toHaveLength(40);
    expect(listeners()).toBe(1);
    for (const { end } of waiting) end();
    expect((await outcome).results).toHaveLength(40);
    expect(seen).toHaveLength(40);
    expect(listeners()).toBe(0);
  });

  it('ends it at once, tries nothing again when the pool closes, and shows no more progress', async () => {
    const { waiting, controller, seen, run, listeners } = openPool();
    const outcome = run();
    waiting[0]!.end();
    await new Promise(setImmediate);
    controller.abort();
    await expect(outcome).rejects.toThrow(InterruptedError);
    waiting[1]!.end();
    for (const { end } of waiting.slice(2)) end(new Error('Terminating worker thread'));
    await new Promise(setImmediate);
    expect(waiting).toHaveLength(40);
    expect(seen).toHaveLength(1);
    expect(listeners()).toBe(0);
  });

  it('tries a failed job again while the run goes on', async () => {
    const { waiting, run } = openPool();
    const outcome = run();
    waiting[0]!.end(new Error('out of memory'));
    await new Promise(setImmediate);
    expect(waiting.map(({ job }) => job.client)).toEqual([...ids, ids[0]]);
    for (const { end } of waiting) end();
    expect((await outcome).failures).toEqual([]);
  });
});
