import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import type { RunEstimate } from '../../src/contracts/progress.js';
import { METHODS, methodOf } from '../../src/methods/index.js';
import { Base } from '../../src/native/engine.js';
import { requireRoom } from '../../src/run/estimate.js';
import { firstRounds } from '../../src/run/firstRounds.js';
import { baseBytes, memoryLimit, requireRoomForBase } from '../../src/run/memory.js';
import type { DescribedOwner } from '../../src/run/owners.js';
import { prepare } from '../../src/run/prepare.js';
import { makeTinyModel } from '../support/tinyModel.js';

const SMALL = { lora_r: 2, local_steps: 3, batch_size: 4, gradient_accumulation_steps: 2, num_rounds: 5 } as const;

function owners(rank: number, count = 3): DescribedOwner[] {
  const counts = (examples: number) => ({ examples, tokens: 30 * examples, targets: 10 * examples });
  return [...'abcdefghij'].slice(0, count).map((id, i) => ({
    ...{ id, folder: id, rank },
    description: {
      kind: 'description',
      ...{ train: counts(20 + i), valid: counts(2), test: counts(3) },
      categories: {},
      dropped: { long: 0, empty: 0, refused: 0, repeated: 0 },
      ...{ numCut: 0, numTargetsLost: 0, dataSha256: '', baseSha256: '', kernels: 'portable' },
    },
  }));
}

describe('the first rounds of a method, with nothing trained', () => {
  // 3 steps of 2 micro-batches of 4; ditto trains a personal adapter beside.
  it.each(METHODS)('%s', async (method) => {
    const prepared = await prepare(parseConfig({ ...SMALL, method }));
    const { rounds } = firstRounds(prepared, owners(2));
    const { pooled, silent } = methodOf(method).capabilities;
    const expected = pooled ? 0 : method === 'ditto' ? 48 : 24;
    expect(new Set(rounds.map(({ trained }) => trained))).toEqual(new Set([expected]));
    expect(rounds.reduce((sum, { times }) => sum + times, 0)).toBe(SMALL.num_rounds);
    for (const { bytesDown, bytesUp } of rounds) {
      expect(bytesDown > 0).toBe(!pooled && !silent);
      expect(bytesUp > 0).toBe(!pooled && !silent);
    }
  });

  it('has the search of perfit, and adapters that are sparse after it', async () => {
    const settings = { ...SMALL, method: 'perfit', expansion: 2, warmup_steps: 5, importance_samples: 7 };
    const goThrough = async (more = {}) => {
      const prepared = await prepare(parseConfig({ ...settings, ...more }));
      const { rounds, layout } = firstRounds(prepared, owners(2));
      expect(layout.size).toBe(2 * prepared.layout.size);
      return rounds;
    };
    const early = await goThrough({ search_round: 1 });
    expect(early.map(({ searched, times }) => [searched, times])).toEqual([
      [5 * 4 * 2 + 7, 1],
      [0, 4],
    ]);
    expect(early[1]!.bytesDown).toBeLessThan(0.6 * early[0]!.bytesDown);
    const late = await goThrough();
    expect(late.map(({ searched, times }) => [searched, times])).toEqual([
      [0, 2],
      [5 * 4 * 2 + 7, 1],
      [0, 2],
    ]);
    const [before, search, after] = late as [(typeof late)[0], (typeof late)[0], (typeof late)[0]];
    expect(search.bytesUp).toBeLessThan(0.6 * before.bytesUp);
    expect(after.bytesDown).toBeLessThan(0.6 * search.bytesDown);
    for (const { times } of await goThrough({ num_rounds: 0 })) expect(times).toBeGreaterThanOrEqual(0);
    expect((await goThrough({ search_round: 9 })).map(({ searched, times }) => [searched, times])).toEqual([[0, 5]]);
  });

  it('goes without the clients that a robust merge wants, and with mutants', async () => {
    for (const more of [
      { robust: 'krum', byzantine: 3 },
      { robust: 'trimmed_mean' },
      { mutation: 'fedmut' },
      { mutation: 'fedqp' },
    ]) {
      const prepared = await prepare(parseConfig({ ...SMALL, ...more }));
      const { rounds, clients } = firstRounds(prepared, owners(2, 10));
      expect([rounds[1]!.trained, clients]).toEqual([24, 6]);
    }
  });

  it('takes a method of the user, whose halves may do anything, for fedavg', async () => {
    const rounds = async (more: object) => {
      const prepared = await prepare(parseConfig({ ...SMALL, ...more }));
      return firstRounds(prepared, owners(2)).rounds;
    };
    expect(await rounds({ strategy: 'examples/lossWeighted.mjs' })).toEqual(await rounds({ method: 'fedavg' }));
  });

  it('has both factors of scaffold and one of ffa-lora', async () => {
    const up = async (method: string) => {
      const prepared = await prepare(parseConfig({ ...SMALL, method }));
      return firstRounds(prepared, owners(2)).rounds[0]!.bytesUp;
    };
    const plain = await up('fedavg');
    expect((await up('scaffold')) / plain).toBeCloseTo(2, 1);
    expect((await up('ffa-lora')) / plain).toBeLessThan(0.6);
  });
});

describe('memory', () => {
  const shape = { layers: 2, hidden: 256, heads: 4, kvHeads: 2, headDim: 64, ffn: 768, vocab: 2048, context: 64 };

  it.each(['f32', 'int8', 'int4'] as const)('of a base in %s is what the engine takes', (precision) => {
    const description = makeTinyModel('llama', shape);
    using base = new Base({ description, precision });
    expect(baseBytes(description, precision) / base.bytes).toBeGreaterThan(0.98);
    expect(baseBytes(description, precision) / base.bytes).toBeLessThan(1.02);
  });

  it('that no machine has is refused before a base is loaded, with what would fit', () => {
    const description = makeTinyModel('llama', shape);
    const [f32, int8] = [baseBytes(description, 'f32'), baseBytes(description, 'int8')];
    expect(() => requireRoomForBase(description, 'f32', f32 + 1)).not.toThrow();
    expect(() => requireRoomForBase(description, 'f32', int8 * 2)).toThrow(
      /in f32 but this machine has .*Set precision: int8/,
    );
    expect(() => requireRoomForBase(description, 'int8', 1000)).toThrow(/Take a smaller base/);
    expect(memoryLimit()).toBeGreaterThan(1e8);
  });

  it('that a run would take is refused by its parts, with what helps most first', async () => {
    const prepared = await prepare(parseConfig({ precision: 'f32' }));
    const memory = { base: 4e9, training: 2e9, adapters: 1e8, rest: 2e8, total: 6.3e9 };
    const estimate: RunEstimate = {
      ...{ memory, seconds: { train: 1, score: 1, rest: 0, total: 2 }, bytes: { down: 0, up: 0 }, owners: [] },
    };
    expect(() => requireRoom(estimate, prepared, 4, 7e9)).not.toThrow();
    expect(() => requireRoom(estimate, prepared, 4, 6e9)).toThrow(
      /6\.3 GB of memory \(base 4\.0 GB, training 2\.0 GB, .* has 6\.0 GB\. What helps: precision: int8 .*; workers: 1 .*; checkpointing: true/,
    );
  });
});
