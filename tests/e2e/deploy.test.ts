import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort } from '../federation/server.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const UNITS = join(ROOT, 'deploy/systemd');
const MAIN = join(ROOT, 'dist/cli/main.js');
const DATA = join(ROOT, 'datasets/owners/ashgrove-caretakers');

const folder = mkdtempSync(join(tmpdir(), 'fedtune-deploy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The command line in its own process group, until it has said a text. */
async function fedtune(args: readonly string[], text: string): Promise<{ child: ChildProcess; stdout: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder });
  let output = '';
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
        if (output.includes(text)) resolve();
      });
    }
    child.once('exit', () => (output.includes(text) ? resolve() : reject(new Error(output))));
  });
  return { child, stdout };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await ended;
  // As SuccessExitStatus has it.
  expect(code).toBe(130);
}

/** What a unit runs, as systemd reads it: fields, specifiers, variables of its environment. */
function execStart(unit: string, instance: string, environment: Readonly<Record<string, string>>): string[] {
  const [, line] = /^ExecStart=\/usr\/bin\/env fedtune (.*)$/m.exec(readFileSync(join(UNITS, unit), 'utf8')) ?? [];
  return line!
    .replaceAll('%i', instance)
    .split(' ')
    .flatMap((word) => {
      const whole = /^\$\{(\w+)\}$/.exec(word);
      if (whole) return [environment[whole[1]!]!];
      const split = /^\$(\w+)$/.exec(word);
      return split ? environment[split[1]!]!.split(' ').filter(Boolean) : [word];
    });
}

const composeSchema = z.object({
  services: z.object({
    coordinator: z.object({ command: z.array(z.string()) }),
    owner: z.object({ command: z.array(z.string()) }),
  }),
});
const { services } = composeSchema.parse(parse(readFileSync(join(ROOT, 'deploy/compose.yaml'), 'utf8')));

/** With folders of this test in the place of those of the service. */
const here = (args: readonly string[], places: Readonly<Record<string, string>>): string[] =>
  args.map((arg) => Object.entries(places).reduce((text, [from, to]) => text.replace(from, to), arg));

async function invite(dir: string, owner: string): Promise<string> {
  const path = join(folder, `${owner}.invite`);
  writeFileSync(path, execFileSync(process.execPath, [MAIN, 'federation', 'invite', dir, owner], { stdio: 'pipe' }));
  return path;
}

const systemd = spawnSync('systemd-analyze', ['--version']).status === 0;
it.skipIf(!systemd)('the units are ones that systemd takes (needs systemd-analyze)', () => {
  const units = readdirSync(UNITS).map((name) => join(UNITS, name));
  expect(units).toHaveLength(2);
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

describe('what the files of deploy/ start, starts', () => {
  const dir = join(folder, 'net');
  beforeAll(async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    execFileSync(process.execPath, [MAIN, 'federation', 'init', dir, '--nats', url], { stdio: 'pipe' });
  });

  it('systemd: a federation, and the agent of an owner that has joined', async () => {
    const units = { DATA, OPTIONS: '' };
    const places = { '/var/lib/fedtune': folder };
    const serve = here(execStart('fedtune-federation@.service', 'net', units), places);
    const server = await fedtune(serve, 'can join');
    const first = ['join', await invite(dir, 'north'), '--home', join(folder, 'north'), '--data', DATA];
    await stop((await fedtune(first, 'waiting for a run')).child);
    for (const OPTIONS of ['', '--model embedded']) {
      const join = here(execStart('fedtune-agent@.service', 'north', { DATA, OPTIONS }), places);
      await stop((await fedtune(join, 'waiting for a run')).child);
    }
    await stop(server.child);
  });

  it('compose: the same, with an invite that was used before', async () => {
    const { coordinator, owner } = services;
    const server = await fedtune(here(coordinator.command, { '/state/clinic-net': dir }), 'can join');
    const places = { '/run/secrets/invite': await invite(dir, 'south'), '/state': folder, '/records': DATA };
    for (let time = 0; time < 2; time++) {
      await stop((await fedtune(here(owner.command, places), 'waiting for a run')).child);
    }
    await stop(server.child);
  });
});
