import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Update } from '../../src/contracts/messages.js';
import type { Link } from '../../src/links/link.js';
import { StateStore } from '../../src/store/index.js';
import {
  compiledLinks,
  describeAll,
  describeRequest,
  type Federation,
  makeFederation,
  trainRequest,
} from './owners.js';

/** Owners' processes of this one, by the folder that they work in. */
function childrenOf(parent: number): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return all
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (ppid === parent ? [pid!] : []))
    .filter((pid) => commandOf(pid).includes('ownerProcess'));
}

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 20) {
    if (waited > 60_000) throw new Error(`Waited in vain for ${what}.`);
    await sleep(20);
  }
}

const isAlive = (pid: number): boolean => commandOf(pid).includes('ownerProcess');

async function openLink(federation: Federation, options: { workers?: number; keep?: number } = {}): Promise<Link> {
  const { createProcessesLink } = await compiledLinks();
  const link = createProcessesLink({ homes: federation.homes, workers: 2, threads: 1, ...options });
  onTestFinished(() => link.close());
  return link;
}

const plain = (update: Update) => ({ ...update, seconds: 0 });

const { errors } = await compiledLinks();
const { FedtuneError, InterruptedError } = errors;

describe('owners in processes of their own', () => {
  it('one that is killed in the middle is started anew, and does its round again to the same bits', async () => {
    const federation = await makeFederation({ local_steps: 60 }, { owners: 1 });
    const { id } = federation.homes[0]!;
    const link = await openLink(federation);
    await describeAll(link, federation);
    const { reply: undisturbed } = await link.ask(id, trainRequest(federation, id));
    const before = childrenOf(process.pid);
    expect(before).toHaveLength(1);
    const again = link.ask(id, trainRequest(federation, id)).catch((error: unknown) => error);
    await sleep(150);
    process.kill(before[0]!, 'SIGKILL');
    const failed = await again;
    expect(failed).toBeInstanceOf(FedtuneError);
    expect(failed).toMatchObject({ code: 'WORKER', message: expect.stringContaining('SIGKILL') });
    const { reply } = await link.ask(id, trainRequest(federation, id, { attempt: 1 }));
    expect(plain(reply)).toEqual(plain(undisturbed));
    expect(childrenOf(process.pid)).not.toEqual(before);
  });

  it('what a process says last is in the error of its end', async () => {
    const federation = await makeFederation({}, { owners: 1 });
    const file = join(federation.homes[0]!.home, 'strategy.mjs');
    writeFileSync(file, "console.error('the words of the owner'); process.exit(7);");
    const link = await openLink(federation);
    const asked = describeAll(link, { ...federation, config: { ...federation.config, strategy: file } });
    await expect(asked).rejects.toMatchObject({
      code: 'WORKER',
      message: expect.stringMatching(/code 7.*the words of the owner/),
    });
  });

  it('Ctrl-C reaches them and changes nothing; closing ends them', async () => {
    const federation = await makeFederation({}, { owners: 2 });
    const link = await openLink(federation);
    await describeAll(link, federation);
    const children = childrenOf(process.pid);
    expect(children).toHaveLength(2);
    for (const pid of children) process.kill(pid, 'SIGINT');
    const { id } = federation.homes[0]!;
    await link.ask(id, trainRequest(federation, id));
    expect(childrenOf(process.pid)).toEqual(children);
    const cut = link.ask(id, trainRequest(federation, id)).catch((error: unknown) => error);
    await sleep(20);
    await link.close();
    const ended = await cut;
    if (!(ended instanceof InterruptedError)) expect(ended).toHaveProperty('reply');
    expect(children.filter(isAlive)).toEqual([]);
    await expect(link.ask(id, trainRequest(federation, id))).rejects.toBeInstanceOf(InterruptedError);
  });

  it('at most `workers` work at once', async () => {
    const federation = await makeFederation({}, { owners: 4 });
    const link = await openLink(federation, { workers: 1 });
    const started: number[] = [];
    const ask = async (id: string) => {
      await link.ask(id, describeRequest(federation));
      started.push(childrenOf(process.pid).length);
    };
    await Promise.all(federation.homes.map(({ id }) => ask(id)));
    // The next one starts when the one before has answered.
    started.forEach((children, i) => {
      expect(children).toBeLessThanOrEqual(i + 2);
    });
    expect(started).toHaveLength(4);
  });

  it('only so many stay when they have nothing to do; the others start anew', async () => {
    const federation = await makeFederation({}, { owners: 3 });
    const link = await openLink(federation, { keep: 1 });
    await describeAll(link, federation);
    expect(childrenOf(process.pid).length).toBeLessThanOrEqual(2);
    const { id } = federation.homes[0]!;
    await expect(link.ask(id, trainRequest(federation, id))).resolves.toHaveProperty('reply');
    expect(childrenOf(process.pid)).toHaveLength(1);
  });

  it('a process whose server is killed ends by itself and writes no state', async () => {
    const federation = await makeFederation({ local_steps: 400 }, { owners: 1 });
    const { id, home } = federation.homes[0]!;
    const script = fileURLToPath(new URL('../fixtures/links/server.mjs', import.meta.url));
    const server = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => {
      server.kill('SIGKILL');
    });
    const { parts: _, ...train } = trainRequest(federation, id);
    const describe = describeRequest(federation);
    server.stdin.end(JSON.stringify({ homes: federation.homes, describe, train, values: [...federation.initial] }));
    await once(server.stdout, 'data');
    const [child] = childrenOf(server.pid!);
    await sleep(300);
    server.kill('SIGKILL');
    await once(server, 'exit');
    await until(() => !isAlive(child!), 'the end of the owner');
    expect(StateStore.open(join(home, 'state', 'main')).turns()).toEqual([]);
  });
});
