import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** Benchmarks are plain JavaScript without types. */
const load = (name: string) => import(new URL(`../../benchmarks/${name}`, import.meta.url).href);

const { median, pairedRatio, fitLine } = await load('lib/stats.mjs');
const { stepOperations } = await load('lib/operations.mjs');
const { judge, TARGETS } = await load('lib/targets.mjs');
const { number, table, withRange } = await load('lib/markdown.mjs');
const { SHAPES } = await load('lib/shapes.mjs');
const { residentNow, watchTree } = await load('lib/memory.mjs');
const { runJson } = await load('peers/python.mjs');

describe('statistics of the benchmarks', () => {
  it('takes medians of odd and even counts', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('divides medians and gives the range of the pairs', () => {
    expect(pairedRatio([10, 20, 30], [5, 5, 10])).toEqual({ ratio: 4, min: 2, max: 4 });
  });

  it('fits a line', () => {
    expect(fitLine([1, 2, 4], [5, 7, 11])).toEqual({ slope: 2, intercept: 3, r2: 1 });
  });
});

describe('stepOperations', () => {
  it('counts a model that can be counted by hand', () => {
    // One layer, one head of two dimensions, everything 2 wide: seven linears of 2 x 2.
    const shape = { hiddenSize: 2, ffnSize: 2, numHeads: 1, numKvHeads: 1, headDim: 2, vocabSize: 10, numLayers: 1 };
    const { linear, lora, attention, head, total } = stepOperations(shape, 1, { lengths: [3, 1], targets: 2 });
    // 4 tokens; forward 7 x 4, backward 4 x 4 (not q, k, v of the lowest layer).
    expect(linear).toBe(2 * 4 * (28 + 16));
    // Rank 1: 7 x (2 + 2) forward, the same for dA and dB, 4 x (2 + 2) and for q, k, v only B's side, 3 x 2, backward.
    expect(lora).toBe(2 * 4 * (28 + 28 + 16 + 6));
    // 6 + 1 causal pairs, six products of two dimensions.
    expect(attention).toBe(2 * 7 * 6 * 2);
    expect(head).toBe(2 * 2 * 2 * 10 * 2);
    expect(total).toBe(linear + lora + attention + head);
  });

  it('counts about 538 million operations a token for SmolLM2-135M without LoRA and attention', () => {
    const tokens = 1024;
    const { linear, head } = stepOperations(SHAPES['smollm2-135m'], 8, { lengths: [tokens], targets: tokens });
    expect((linear + head) / tokens / 1e6).toBeCloseTo(537, -1);
  });
});

describe('judge', () => {
  const of = (...values: number[]) => ({ median: median(values), values });
  const speeds = {
    'fedtune int8': of(1000, 1100, 900),
    'fedtune f32': of(220),
    'PyTorch fp32': of(200, 210, 190),
    'PyTorch bf16': of(300, 300, 300),
    'PyTorch fp32, compiled': of(250),
  };
  const memory = { 'fedtune int8': of(5e8), 'PyTorch fp32': of(4.5e9) };

  it('compares with the fastest peer, and not with peers that failed', () => {
    const rows = judge('full', { speeds, memory, failed: ['PyTorch bf16, compiled'] });
    const values = rows.map(({ opponent, pass }: { opponent: string; pass: boolean }) => [opponent, pass]);
    expect(values).toEqual([
      ['PyTorch bf16', true],
      ['PyTorch bf16', true],
      ['PyTorch fp32', true],
      ['PyTorch fp32', true],
    ]);
    expect(rows[0]).toMatchObject({ min: 3 });
    expect(rows[0].ratio).toBeCloseTo(1000 / 300);
  });

  it('passes nothing that was not measured', () => {
    const open = judge('full', { speeds, memory: {}, failed: [] });
    expect(open.map(({ pass }: { pass: boolean | null }) => pass)).toEqual([true, null, null, true]);
  });

  it('says no where a limit is missed', () => {
    const slow = { ...speeds, 'fedtune int8': of(600), 'fedtune f32': of(199) };
    const big = { ...memory, 'fedtune int8': of(8e8) };
    const rows = judge('full', { speeds: slow, memory: big, failed: ['PyTorch bf16, compiled'] });
    expect(rows.map(({ pass }: { pass: boolean }) => pass)).toEqual([false, true, false, false]);
  });

  it('has targets for every comparison', async () => {
    const { COMPARISONS, VARIANTS } = await load('lib/variants.mjs');
    expect(Object.keys(TARGETS)).toEqual(Object.keys(COMPARISONS));
    for (const [name, targets] of Object.entries<{ ours: string; against: string[] }[]>(TARGETS)) {
      for (const { ours, against } of targets) {
        for (const variant of [ours, ...against]) expect(COMPARISONS[name].variants).toContain(variant);
      }
    }
    for (const { variants } of Object.values<{ variants: string[] }>(COMPARISONS)) {
      for (const variant of variants) expect(VARIANTS).toHaveProperty([variant]);
    }
  });
});

describe('Markdown of the results', () => {
  it('rounds to what a number is worth', () => {
    expect([1234.6, 12.34, 1.234, 0.1234, undefined].map(number)).toEqual(['1235', '12.3', '1.23', '0.123', '-']);
    expect(withRange(2, 1, 3)).toBe('2.00 (1.00 - 3.00)');
    expect(withRange(2, 2, 2)).toBe('2.00');
  });

  it('writes tables', () => {
    expect(table(['a', 'b'], [['x', 1]])).toBe('| a | b |\n| --- | ---: |\n| x | 1 |');
  });
});

describe.skipIf(process.platform !== 'linux')('memory of a process tree (needs /proc)', () => {
  it('adds up the processes of the tree', async () => {
    expect(residentNow()).toBeGreaterThan(1e7);
    const inner = 'const b = Buffer.alloc(80e6, 1); setTimeout(() => b.length, 1500)';
    const outer = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], {stdio: 'inherit'})`;
    const child = spawn(process.execPath, ['-e', outer]);
    const watch = watchTree(child.pid, 20);
    await new Promise((resolve) => child.on('close', resolve));
    // Two Node processes of at least 30 MB and the buffer.
    expect(watch.stop()).toBeGreaterThan(80e6 + 60e6);
  });
});

describe('runJson', () => {
  it('returns the last line of stdout and hands on the lines of stderr', async () => {
    const lines: string[] = [];
    const script =
      'console.log("first"); console.error("step 1 of 2"); console.log(JSON.stringify({ a: process.env.X }))';
    const options = { env: { X: 'y' }, onLine: (line: string) => lines.push(line) };
    expect(await runJson(process.execPath, ['-e', script], options)).toEqual({ a: 'y' });
    expect(lines).toEqual(['step 1 of 2']);
  });

  it('ends what takes too long, and says why a program failed', async () => {
    const slow = runJson(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { timeoutSeconds: 0.3 });
    await expect(slow).rejects.toThrow('no result within 0.3 s');
    const broken = runJson(process.execPath, ['-e', 'console.error("because"); process.exit(3)']);
    await expect(broken).rejects.toThrow(/exited with 3:\nbecause/);
  });
});
