import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { macro, outcomeOf, roundMetrics, runInline } from './inlineRun.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const strategy = join(root, 'examples/lossWeighted.mjs');

describe('a method in a file of the user', () => {
  it('learns, and goes on from a saved state to the same bits', async () => {
    const run = await runInline({ strategy });
    expect(macro(run, 'global')).toBeLessThan(macro(run, 'base'));
    const again = await runInline({ strategy }, { from: run.states[2]! });
    expect(outcomeOf(again)).toEqual(outcomeOf(run));
    expect(Object.keys(roundMetrics(again)[0]!.losses as object)).toHaveLength(8);
  });

  it('weighs clients by their loss, as much as its option says: fedavg at power 0, something else at others', async () => {
    const plain = outcomeOf(await runInline({ method: 'fedavg' })).global;
    const at = async (power: number) => outcomeOf(await runInline({ strategy, strategy_options: { power } })).global;
    expect(await at(0)).toBe(plain);
    expect(await at(1)).not.toBe(plain);
    expect(await at(2)).not.toBe(await at(1));
  });

  it('is refused with an option that it does not have, or a wrong value', async () => {
    await expect(runInline({ strategy, strategy_options: { powder: 1 } })).rejects.toMatchObject({
      code: 'UNKNOWN_KEY',
      message: expect.stringContaining('"power"'),
    });
    await expect(runInline({ strategy, strategy_options: { power: 11 } })).rejects.toMatchObject({ code: 'CONFIG' });
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
