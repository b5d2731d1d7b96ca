import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { parseConfig } from '../../../src/config/parse.js';
import type { RunConfigInput } from '../../../src/config/schema.js';
import { compareRuns, type NamedRun } from '../../../src/report/compareRuns.js';

type Nlls = Readonly<Record<string, readonly number[]>>;

/** A finished run whose owners take home `global`, by the NLL of their test examples of 10 tokens. */
function runOf(name: string, settings: RunConfigInput, nlls: Nlls, targets = 10): NamedRun {
  const clients = Object.keys(nlls).map((id) => ({ id, take_home: { which: 'global' } }));
  const owners = Object.entries(nlls).map(([client, values]) => ({
    client,
    examples: values.map((nll, i) => ({ id: `row:${i}`, targets, nll: { base: 30, global: nll } })),
  }));
  const macro = { base: { nll: 3, ppl: 20 }, global: { nll: 2, ppl: 7.5 } };
  const record = { config: parseConfig(settings), metrics: { clients, macro }, scores: { owners, missing: [] } };
  return { name, record } as unknown as NamedRun;
}

const first = runOf('a', { method: 'fedavg', output_dir: 'a' }, { north: [20, 22, 18], south: [10, 12, 11] });

describe('runs side by side', () => {
  it('show what is set otherwise, and only that', () => {
    const other = runOf('b', { method: 'fedprox', lora_r: 4, output_dir: 'b', workers: 1 }, { north: [20] });
    expect(compareRuns([first, other]).settings).toEqual({ method: ['fedavg', 'fedprox'], lora_r: [8, 4] });
    expect(compareRuns([first, runOf('c', { output_dir: 'c' }, { north: [1] })]).settings).toEqual({});
  });

  it('show the means, with nothing where a run has none', () => {
    const { scores } = compareRuns([first, first]);
    expect(scores).toEqual({ base: [20, 20], global: [7.5, 7.5] });
  });

  it('compare what owners take home, example by example', () => {
    const same = compareRuns([first, runOf('b', {}, { south: [10, 12, 11], north: [20, 22, 18] })]);
    expect(same.against_first[0]).toBeNull();
    expect(same.against_first[1]).toMatchObject({ difference: 0, low: 0, high: 0, owners: 2, examples: 6, better: 0 });
    // One nat less on each of 10 tokens' examples of north alone.
    const better = compareRuns([first, runOf('b', {}, { north: [19, 21, 17], south: [10, 12, 11] })]).against_first[1]!;
    const [north, south] = [Math.exp(60 / 30), Math.exp(33 / 30)];
    expect(better.difference).toBeCloseTo((Math.exp(57 / 30) + south) / (north + south) - 1, 12);
    expect(better.better).toBe(1);
    expect(better.high).toBeLessThan(0);
  });

  it('compare only what both scored as the same tokens', () => {
    expect(compareRuns([first, runOf('b', {}, { north: [20, 22, 18] }, 9)]).against_first[1]).toBeNull();
    expect(compareRuns([first, runOf('b', {}, { west: [20] })]).against_first[1]).toBeNull();
    expect(compareRuns([first, runOf('b', {}, { north: [20, 22] })]).against_first[1]).toMatchObject({
      examples: 2,
      owners: 1,
    });
  });

  it('are two or more, and runs', async () => {
    const said: string[] = [];
    const screen = { write: (text: string) => said.push(text) };
    const context = { stdout: screen, stderr: screen, signal: new AbortController().signal };
    expect(await runCli(['compare', 'a'], context)).toBe(2);
    expect(await runCli(['compare', 'nowhere', 'nowhere-else'], context)).toBe(1);
    expect(said.join('')).toMatch(/two runs or more[\s\S]*Expected a run folder/);
  });
});
