import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
// @ts-expect-error JavaScript
import { terminalsOf, walkQuickStart } from '../../benchmarks/lib/quickStart.mjs';
import { freePort } from '../federation/server.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OWNERS = ['ashgrove-caretakers', 'bellmoor-repairs'];

/** A folder with what the quick start needs of a clone, and an `npx` that takes what was built here. */
function likeAClone(): { cwd: string; env: NodeJS.ProcessEnv } {
  const cwd = mkdtempSync(join(tmpdir(), 'fedtune-quickstart-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  for (const name of ['datasets', 'examples']) symlinkSync(join(ROOT, name), join(cwd, name));
  const bin = join(cwd, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'npx'),
    `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(ROOT, 'dist/cli/main.js')}" "$@"\n`,
  );
  chmodSync(join(bin, 'npx'), 0o755);
  return { cwd, env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` } };
}

it('the quick start of docs/distribution.md works as it stands, but for its port', async () => {
  const [serve, owners, run] = terminalsOf(readFileSync(join(ROOT, 'docs/distribution.md'), 'utf8'));
  const init = 'federation init clinic-net';
  expect(serve).toContain(init);
  const port = `${init} --nats nats://127.0.0.1:${await freePort()}`;
  const { cwd, env } = likeAClone();
  const walked = await walkQuickStart([serve.replace(init, port), owners, run], { cwd, env, numOwners: 2 });
  // What the page says of its end.
  for (const owner of OWNERS) {
    expect(walked.third).toMatch(new RegExp(`${owner}\\s+joined\\s+connected`));
    expect(walked.second).toContain(`${owner}: training, round 3\n`);
    expect(walked.second).toContain(`${owner}: training, round 3, alone for comparison\n`);
    const runs = join(cwd, `clinic-net-${owner}/runs`);
    const [name] = readdirSync(runs);
    const adapter = readdirSync(join(runs, name!, 'adapter'));
    expect(adapter).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'adapter.gguf']),
    );
  }
  expect(existsSync(join(cwd, 'runs/net/adapters/global/adapter_model.safetensors'))).toBe(true);
  expect(walked.first).not.toMatch(/error/i);
}, 300_000);
