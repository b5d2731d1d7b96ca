import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CACHE, library, ROOT } from './paths.mjs';

const LIB = join(ROOT, 'benchmarks', 'lib');
const ROWS = [1, 2, 3].map((i) => JSON.stringify({ prompt: `question ${i}`, completion: `answer ${i}` })).join('\n');

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** The next message of a child that is one of `what`; rejects where the child ends without it. */
function heard(child, isIt) {
  return new Promise((resolve, reject) => {
    const onMessage = (message) => {
      if (!isIt(message)) return;
      child.off('exit', onExit);
      child.off('message', onMessage);
      resolve(message);
    };
    const onExit = (code, signal) => reject(new Error(`A process of the benchmark ended with ${signal ?? code}.`));
    child.on('message', onMessage).once('exit', onExit);
  });
}

/**
 * A federation on this machine: `fedtune federation serve` with a real nats-server, and agents in processes of their own, `perProcess` owners
 * in each.
 */
export class Net {
  #root = mkdtempSync(join(CACHE, 'distribution-'));
  #serve;
  #owners = [];
  agents = [];
  dir = join(this.#root, 'net');

  /** Roots of the processes at the coordinator besides the run itself. */
  get servers() {
    return [this.#serve.pid];
  }

  get owners() {
    return this.agents.map(({ pid }) => pid);
  }

  /** Makes the federation with so many owners that are invited, and starts its server. */
  async open(count) {
    const { FederationFolder, inviteOwner } = await library('federation/index.js');
    this.folder = await FederationFolder.create(this.dir, `nats://127.0.0.1:${await freePort()}`);
    this.#owners = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const name = `owner-${String(i).padStart(4, '0')}`;
        // Before the server starts, which then has not to be told of each.
        const { invite } = await inviteOwner(this.folder, name, { rotate: false, validHours: 1 });
        const path = join(this.#root, `${name}.invite`);
        writeFileSync(path, JSON.stringify(invite));
        return { invite: path, home: join(this.#root, name) };
      }),
    );
    this.#serve = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'federation', 'serve', this.dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    process.once('exit', () => this.#serve.kill());
    this.#serve.stderr.setEncoding('utf8');
    await new Promise((resolve, reject) => {
      this.#serve.stderr.on('data', (text) => {
        if (text.includes('can join')) resolve();
      });
      this.#serve.once('exit', (code) => reject(new Error(`"fedtune federation serve" ended with ${code}.`)));
    });
    return this;
  }

  /** Starts the owners' agents, `perProcess` in each process. Seconds until all have taken up their invites. */
  async join(perProcess, model) {
    writeFileSync(join(this.#root, 'rows.jsonl'), `${ROWS}\n`);
    const begun = performance.now();
    for (let at = 0; at < this.#owners.length; at += perProcess) {
      this.agents.push(this.startAgents(this.#owners.slice(at, at + perProcess), model));
    }
    await Promise.all(this.agents.map((agent) => heard(agent, (message) => message === 'ready')));
    return (performance.now() - begun) / 1000;
  }

  startAgents(owners, model) {
    const settings = JSON.stringify({ owners, data: join(this.#root, 'rows.jsonl'), model, isQuiet: true });
    return Object.assign(fork(join(LIB, 'natsOwners.mjs'), [settings]), { of: owners });
  }

  /** Bytes that went between agents and server so far, by TCP's own count: TLS and all. Undefined without `ss`. */
  traffic() {
    const filter = ['-tinpH', 'state', 'established', 'dport', '=', `:${this.folder.endpoint.port}`];
    const { status, stdout } = spawnSync('ss', filter, { encoding: 'utf8' });
    if (status !== 0) return undefined;
    const agents = new Set(this.owners.map(String));
    const total = { down: 0, up: 0 };
    for (const [, pid, counts] of stdout.matchAll(/pid=(\d+),[^\n]*\n([^\n]*)/g)) {
      if (!agents.has(pid)) continue;
      total.down += Number(/bytes_received:(\d+)/.exec(counts)?.[1] ?? 0);
      total.up += Number(/bytes_acked:(\d+)/.exec(counts)?.[1] ?? 0);
    }
    return total;
  }

  /** Starts the coordinator of a run; `onEvent` hears of its rounds. Resolves when it has ended. */
  run(settings, { deadline = null, onStart, onEvent }) {
    const child = fork(join(LIB, 'natsCoordinator.mjs'), [JSON.stringify({ dir: this.dir, settings, deadline })]);
    onStart?.(child);
    child.on('message', (message) => onEvent(message));
    return heard(child, ({ what }) => what === 'ended');
  }

  async close() {
    for (const child of [...this.agents, this.#serve]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#root, { recursive: true, force: true });
  }
}
