import { describe, expect, it } from 'vitest';

/** Benchmarks are plain JavaScript without types. */
const load = (name: string) => import(new URL(`../../benchmarks/${name}`, import.meta.url).href);

const { median, pairedRatio, fitLine } = await load('lib/stats.mjs');
const { stepOperations } = await load('lib/operations.mjs');
const { judge, TARGETS } = await load('lib/targets.mjs');
const { number, table, withRange } = await load('lib/markdown.mjs');
const { SHAPES } = await load('lib/shapes.mjs');
const { variantsOn, COMPARISONS, VARIANTS } = await load('lib/variants.mjs');
const { summarise } = await load('lib/peerSummary.mjs');
const { peerReport } = await load('lib/peerReport.mjs');
const { runJson, runPython } = await load('peers/python.mjs');

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
    'PyTorch bf16 autocast': of(310, 310, 310),
    'PyTorch bf16 weights': of(320, 320, 300),
    'PyTorch bf16 weights, compiled': of(450),
  };
  const memory = {
    'fedtune int8': of(5e8),
    'PyTorch fp32': of(4.8e9),
    'PyTorch bf16 weights': of(4e9),
    'PyTorch bf16 weights, compiled': of(4.1e9),
  };
  const failed = ['PyTorch bf16 weights, max-autotune'];
  const vnni = { kernels: ['vnni', 'avx2'], features: ['avx2', 'avx512bf16'] };
  const { variants } = COMPARISONS.full;
  type Row = { opponent?: string; limit?: number; pass: boolean | null };
  const passes = (rows: Row[]) => rows.map(({ pass }) => pass);

  it('compares with the fastest and the leanest peer of the run, and not with peers that failed', () => {
    const whole = { ...memory, 'PyTorch bf16 autocast': of(4.2e9) };
    const rows = judge('full', { machine: vnni, variants, summary: { speeds, memory: whole, failed } });
    expect(rows.map(({ opponent, pass }: Row) => [opponent, pass])).toEqual([
      ['PyTorch bf16 weights', true],
      ['PyTorch bf16 weights, compiled', true],
      ['PyTorch bf16 weights', true],
      ['PyTorch fp32', true],
    ]);
    expect(rows[0]).toMatchObject({ min: 3 });
    expect(rows[0].ratio).toBeCloseTo(1000 / 320);
  });

  it('passes nothing that was not measured', () => {
    const { 'PyTorch bf16 weights, compiled': _, ...eager } = speeds;
    const rows = judge('full', { machine: vnni, variants, summary: { speeds: eager, memory: {}, failed } });
    expect(passes(rows)).toEqual([true, null, null, true]);
  });

  it('says no where a limit of that kind of machine is missed, and nothing where none is set', () => {
    const summary = {
      speeds: { ...speeds, 'fedtune f32': of(199) },
      memory,
      failed: [...failed, 'PyTorch bf16 autocast'],
    };
    const amx = { ...vnni, kernels: ['amx'] };
    expect(passes(judge('full', { machine: amx, variants, summary }))).toEqual([false, false, true, false]);
    const neon = { ...vnni, kernels: ['neon'] };
    expect(passes(judge('full', { machine: neon, variants, summary }))).toEqual([null, null, true, false]);
  });

  it('holds AVX2 against what is held to AVX2 throughout', () => {
    const summary = {
      speeds: {
        'fedtune int8, AVX2': of(300),
        'PyTorch fp32, AVX2 but in MKL': of(400),
        'PyTorch fp32, AVX2': of(200),
      },
      memory: {},
      failed: ['PyTorch fp32, AVX2, compiled'],
    };
    const [row] = judge('forced', { machine: vnni, variants: COMPARISONS.forced.variants, summary });
    expect(row).toMatchObject({ opponent: 'PyTorch fp32, AVX2', ratio: 1.5, pass: true });
  });

  it('has targets for every comparison, and variants that exist', () => {
    expect(Object.keys(TARGETS).sort()).toEqual(Object.keys(COMPARISONS).sort());
    for (const [name, targets] of Object.entries<{ ours: string }[]>(TARGETS)) {
      for (const { ours } of targets) expect(COMPARISONS[name].variants).toContain(ours);
    }
    for (const comparison of Object.values<{ variants: string[] }>(COMPARISONS)) {
      for (const features of [['avx2', 'avx512bf16'], ['avx2'], []]) {
        for (const variant of variantsOn({ features }, comparison)) expect(VARIANTS).toHaveProperty([variant]);
      }
    }
  });

  it('lets PyTorch keep fp32 weights where a processor has no instructions for bf16', () => {
    expect(variantsOn({ features: ['avx2'] }, COMPARISONS.long)).toEqual([
      'fedtune int8',
      'PyTorch fp32',
      'PyTorch fp32, compiled',
      'PyTorch fp32, max-autotune',
    ]);
  });
});

describe('peerReport', () => {
  const part = (kernels: string[], cpu: string) => {
    const peak = { fp32: 1, bf16: 2, int8: 4, read: 1 };
    const machine = { cpu, cores: 2, threads: 2, features: [], kernels, memory_gib: 1, system: 'x', versions: {} };
    const run = (variant: string, speed: number) => ({
      variant,
      tokens_per_second: speed,
      peak_rss_bytes: 1e9 / speed,
    });
    const runs = COMPARISONS.long.variants.map((variant: string, i: number) => run(variant, 100 - i));
    const whole = { ...machine, peak: { one_thread: peak, all_threads: peak } };
    const settings = { repeats: 1 };
    return {
      date: 'd',
      source: 's',
      settings,
      machine: whole,
      runs,
      summary: summarise('long', COMPARISONS.long, runs, whole),
    };
  };

  it('keeps what was measured on each kind of machine apart', () => {
    const machines = { amx: { long: part(['amx'], 'Xeon') }, vnni: { long: part(['vnni'], 'EPYC') } };
    const report: string = peerReport({ machines });
    const [, amx, vnni] = report.split('\n## ');
    expect(amx).toMatch(
      /^AMX\n[\s\S]*Xeon[\s\S]*fastest peer, PyTorch bf16 weights \| 1\.01 \| >= 2\.70 \(3\.50\) \| no/,
    );
    expect(vnni).toMatch(/^AVX-512 VNNI\n[\s\S]*EPYC[\s\S]*1\.01 \| >= 2\.50 \(3\.00\) \| no/);
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

describe('layouts of PyTorch', () => {
  it.skipIf(!process.env.FEDTUNE_PEERS_PYTHON)(
    'packs so that sequences do not see each other (needs FEDTUNE_PEERS_PYTHON)',
    async () => {
      const { packed, crossing } = await runPython('layouts.py', []);
      expect(packed.loss).toBeLessThan(1e-5);
      expect(packed.gradient).toBeLessThan(1e-5);
      // The measure tells one from the other.
      expect(crossing.gradient).toBeGreaterThan(0.1);
    },
  );
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
