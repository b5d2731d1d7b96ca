/**
 * `npm run check:quickstart`: walks the quick start of docs/distribution.md as it stands on a fresh clone of this repository, installed as the
 * README says. Needs port 4222 and nats-server.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ROOT } from './lib/paths.mjs';
import { terminalsOf, walkQuickStart } from './lib/quickStart.mjs';

const folder = mkdtempSync(join(tmpdir(), 'fedtune-quickstart-'));
const clone = join(folder, 'fedtune');
const timed = (what, work) => {
  const begun = performance.now();
  work();
  console.log(`${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
};
try {
  timed('git clone', () => execFileSync('git', ['clone', '--quiet', ROOT, clone]));
  timed('npm ci', () => execFileSync('npm', ['ci'], { cwd: clone, stdio: ['ignore', 'ignore', 'inherit'] }));
  const terminals = terminalsOf(readFileSync(join(clone, 'docs/distribution.md'), 'utf8'));
  const onText = (text) => process.stderr.write(text);
  const { times } = await walkQuickStart(terminals, { cwd: clone, env: process.env, numOwners: 2, onText });
  for (const [name, seconds] of Object.entries(times)) console.log(`${name}: ${seconds.toFixed(1)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
