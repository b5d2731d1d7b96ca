import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Strategy, StrategyInit } from '../../src/server/strategy.js';
import { macro, outcomeOf, roundMetrics, runInline } from './inlineRun.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const example = await import(new URL('../../examples/lossWeighted.mjs', import.meta.url).href);
const strategy = (init: StrategyInit): Strategy => example.createStrategy(init);

describe('a strategy in a file of the user', () => {
  it('learns, and goes on from a saved state to the same bits', async () => {
    const run = await runInline({}, { strategy });
    expect(macro(run, 'global')).toBeLessThan(macro(run, 'base'));
    const again = await runInline({}, { strategy, from: structuredClone(run.states[2]!) });
    expect(outcomeOf(again)).toEqual(outcomeOf(run));
    expect(Object.keys(roundMetrics(again)[0]!.losses as object)).toHaveLength(8);
  });

  it('weighs clients by their loss: not what fedavg gives', async () => {
    const own = await runInline({}, { strategy });
    const plain = await runInline({ method: 'fedavg' });
    expect(outcomeOf(own).global).not.toBe(outcomeOf(plain).global);
  });

  it.skipIf(!existsSync(main))('runs from its run file (needs npm run build:ts)', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'fedtune-own-'));
    try {
      const args = [main, 'run', 'examples/own-strategy.yaml', '--output-dir', join(dir, 'run'), '--json'];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
      const { macro: means } = JSON.parse(stdout);
      expect(means.global.ppl).toBeLessThan(means.base.ppl);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
