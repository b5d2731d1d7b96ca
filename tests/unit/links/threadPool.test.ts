import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FedtuneError, InterruptedError } from '../../../src/errors.js';
import { ThreadPool } from '../../../src/links/threadPool.js';

interface Task {
  readonly kind: 'reply' | 'die' | 'busy' | 'unknown';
  readonly bytes?: number;
  /** 1 while the thread is in its call, 2 after it. */
  readonly inside?: Int32Array;
}

function makePool(name = 'worker', workers = 2): ThreadPool<Task, Uint8Array> {
  const filename = fileURLToPath(new URL(`../../fixtures/threads/${name}.mjs`, import.meta.url));
  const pool = new ThreadPool<Task, Uint8Array>({ filename, workers, workerData: {} });
  onTestFinished(() => pool.close());
  return pool;
}

const flag = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

describe('a pool of threads', () => {
  it('lets go of every reply (8 clients x 150 rounds once held 1.1 GB)', async () => {
    const pool = makePool();
    const megabyte = 1 << 20;
    const held = async (): Promise<number> => {
      let least = Number.POSITIVE_INFINITY;
      // Memory that moved from a thread goes when its turn comes.
      for (let i = 0; i < 20; i++) {
        await sleep(20);
        gc();
        least = Math.min(least, process.memoryUsage().arrayBuffers);
      }
      return least;
    };
    await pool.run({ kind: 'reply', bytes: megabyte });
    const before = await held();
    for (let i = 0; i < 100; i++) expect((await pool.run({ kind: 'reply', bytes: megabyte })).length).toBe(megabyte);
    expect((await held()) - before).toBeLessThan(10 * megabyte);
  });

  it('ends no thread inside a call, and takes nothing more', async () => {
    const pool = makePool();
    const inside = flag();
    const work = pool.run({ kind: 'busy', inside });
    await until(() => inside[0] === 1);
    await pool.close();
    expect(inside[0]).toBe(2);
    // The thread saw that the pool closes.
    expect(await work).toBe(1);
    await expect(pool.run({ kind: 'reply', bytes: 1 })).rejects.toBeInstanceOf(InterruptedError);
  });

  it('rejects what waits when it closes', async () => {
    const pool = makePool('worker', 1);
    const inside = flag();
    const first = pool.run({ kind: 'busy', inside });
    const waiting = pool.run({ kind: 'busy', inside: flag() }).catch((error: unknown) => error);
    await until(() => inside[0] === 1);
    await pool.close();
    expect(await first).toBe(1);
    const ended = await waiting;
    if (ended !== 1) expect(ended).toBeInstanceOf(InterruptedError);
  });

  it('says so where a thread cannot start, and ends', async () => {
    const pool = makePool('broken');
    const failed = await pool.run({ kind: 'reply', bytes: 1 }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(FedtuneError);
    expect(failed).toMatchObject({ code: 'WORKER', message: expect.stringContaining('this thread does not start') });
    expect((failed as FedtuneError).cause).toBeInstanceOf(Error);
  });

  it('says so where a thread ends in the middle, and goes on with another', async () => {
    const pool = makePool('worker', 1);
    const failed = await pool.run({ kind: 'die' }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'WORKER', message: expect.stringContaining('in the middle') });
    expect(await pool.run({ kind: 'reply', bytes: 3 })).toHaveLength(3);
  });

  it('closes where it never began', async () => {
    await makePool().close();
  });
});
