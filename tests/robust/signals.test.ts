import { spawn } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { ended, fedtune, outcomeOf, outcomeOfWholeRun, root, start, workFolder, writeRunFile } from './cli.js';

const SETTINGS = { method: 'fedavg', partition: 'iid', num_clients: 4, num_rounds: 3 };

let outcome: Record<string, unknown>;

beforeAll(async () => {
  outcome = await outcomeOfWholeRun(SETTINGS);
});

async function prepared(): Promise<string> {
  const cwd = await workFolder();
  await writeRunFile(cwd, SETTINGS);
  return cwd;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await what())) {
    if (performance.now() > end) throw new Error('Expected this within two minutes');
    await sleep(20);
  }
}
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function expectResumable(cwd: string): Promise<void> {
  const { code, stderr } = await fedtune(cwd, ['run', '--resume', 'run']);
  expect(code, stderr).toBe(0);
  expect(await outcomeOf(cwd)).toEqual(outcome);
}

describe('Ctrl-C', () => {
  it.each([
    ['during training', 'train:13'],
    ['during evaluation', 'score:3'],
    ['while a state is written', 'write state/:2'],
  ])('%s ends the run with 130 and says how to go on', async (_, stop) => {
    const cwd = await prepared();
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], { stop });
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('Go on with: fedtune run --resume run');
    const left = await readdir(join(cwd, 'run'), { recursive: true });
    expect(left.filter((name) => name.endsWith('.tmp') || name.startsWith('.'))).toEqual([]);
    await expectResumable(cwd);
  });

  it('while owners open their data ends the start with 130, and leaves nothing', async () => {
    const cwd = await prepared();
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], { stop: 'rename owners/client-2/tokens/:1' });
    expect(code, stderr).toBe(130);
    expect(await exists(join(cwd, 'run'))).toBe(false);
  });

  it('waits for the write in flight; a second one ends the process at once', async () => {
    const cwd = await prepared();
    const trace = join(cwd, 'trace');
    const child = start(cwd, ['run', 'run.yaml'], { trace, hold: 'write ./metrics.json:1' });
    const end = ended(child);
    await until(async () => (await readFile(trace, 'utf8').catch(() => '')).includes('write ./metrics.json'));
    child.kill('SIGINT');
    await sleep(1500);
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
    child.kill('SIGINT');
    const { signal, stderr } = await end;
    expect(signal).toBe('SIGINT');
    expect(stderr).toContain('finishing the write in flight');
    await expectResumable(cwd);
  });

  it('stops npm start, where one key press reaches the process twice', async ({ skip }) => {
    if (process.platform === 'win32') skip('Windows has no process groups to signal');
    const cwd = await workFolder();
    const dir = join(cwd, 'run');
    const child = spawn('npm', ['start', '--silent', '--', '--output-dir', dir], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = ended(child);
    await until(() => exists(join(dir, 'state/000000.json')));
    // The whole group, as a terminal does.
    process.kill(-child.pid!, 'SIGINT');
    const { code, signal, stdout, stderr } = await end;
    // npm ends by the signal that it got, which a shell shows as 130.
    expect(signal ?? code, stdout + stderr).toBe('SIGINT');
    expect(stdout + stderr).toContain(`Go on with: fedtune run --resume ${dir}`);
    expect(await readdir(dir)).not.toContain('.lock');
  });
});

describe('SIGTERM', () => {
  it('ends the run as Ctrl-C does', async () => {
    const cwd = await prepared();
    const child = start(cwd, ['run', 'run.yaml']);
    const end = ended(child);
    await until(() => exists(join(cwd, 'run/state/000000.json')));
    child.kill('SIGTERM');
    const { code, stderr } = await end;
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('Go on with: fedtune run --resume run');
    await expectResumable(cwd);
  });
});
