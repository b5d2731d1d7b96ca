import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const runFiles = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.yaml'));

/** A loaded machine takes minutes where a quiet one takes seconds. */
const PATIENCE = 400_000;
const SHORT = [
  ...['--num-rounds', '2', '--local-steps', '2', '--max-train-examples', '8'],
  ...['--max-valid-examples', '1', '--max-test-examples', '2'],
];

const dir = mkdtempSync(join(tmpdir(), 'fedtune-examples-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(!existsSync(main))('run files in examples/, cut short (needs npm run build:ts)', () => {
  it('are there', () => {
    expect(runFiles).toEqual(
      expect.arrayContaining([
        'mixed-ranks.yaml',
        'one-data-set.yaml',
        'own-data.yaml',
        'own-strategy.yaml',
        'perfit.yaml',
      ]),
    );
  });

  it.each(runFiles)(
    '%s',
    async (name) => {
      const args = [main, 'run', `examples/${name}`, ...SHORT, '--output-dir', join(dir, name), '--json'];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
      const { clients, macro } = JSON.parse(stdout);
      expect(clients).toHaveLength(8);
      const given = name === 'perfit.yaml' ? 'personalized' : 'global';
      expect(macro[given].ppl).toBeLessThan(macro.base.ppl);
      if (name === 'perfit.yaml') {
        expect(existsSync(join(dir, name, 'adapters/global'))).toBe(false);
        expect(existsSync(join(dir, name, 'perfit.svg'))).toBe(true);
      }
    },
    PATIENCE,
  );
});
