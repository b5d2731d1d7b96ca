import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peersPython } from '../peers/python.mjs';
import { freePort } from './distributionNet.mjs';
import { CACHE, PEERS } from './paths.mjs';

const LOOK_MS = 20;

/** The releases that are measured: the newest, and the last one with gRPC between SuperLink and SuperNodes. */
export const FLOWERS = ['flower', 'flower-grpc'];

/**
 * Flower as its documentation deploys it: a SuperLink, a SuperNode an owner, each of which starts its app in a process of its own; on
 * loopback and without TLS. State in the SuperLink's memory, no installation of dependencies.
 */
export class Flower {
  #root = mkdtempSync(join(CACHE, 'flower-'));
  #children = [];

  constructor(kind) {
    this.kind = kind;
    this.bin = dirname(peersPython(kind));
    const env = {
      ...{ FLWR_HOME: join(this.#root, 'home'), FLWR_TELEMETRY_ENABLED: '0', FLWR_DISABLE_UPDATE_CHECK: '1' },
      PATH: `${this.bin}:${process.env.PATH}`,
    };
    this.env = { ...process.env, ...env };
  }

  get version() {
    const { stdout } = spawnSync(join(this.bin, 'python'), ['-c', 'import flwr; print(flwr.__version__)']);
    return stdout.toString().trim();
  }

  #start(program, args) {
    const child = spawn(join(this.bin, program), args, { env: this.env, stdio: 'ignore' });
    this.#children.push(child);
    return child.pid;
  }

  async open(nodes) {
    this.nodes = nodes;
    const port = await freePort();
    const isGrpc = this.kind === 'flower-grpc';
    const fleet = isGrpc ? await freePort() : port;
    cpSync(join(PEERS, 'flowerApp'), join(this.#root, 'app'), { recursive: true });
    const config = `[superlink]\ndefault = "bench"\n\n[superlink.bench]\naddress = "127.0.0.1:${port}"\ninsecure = true\n`;
    mkdirSync(this.env.FLWR_HOME);
    writeFileSync(join(this.env.FLWR_HOME, 'config.toml'), config);
    this.coordinator = this.#start('flower-superlink', [
      ...['--insecure', '--port', port, '--disable-runtime-dependency-installation'].map(String),
      ...(isGrpc ? ['--fleet-api-type', 'grpc-rere', '--fleet-api-address', `127.0.0.1:${fleet}`] : []),
    ]);
    await sleep(5000);
    this.owners = [];
    for (let i = 0; i < nodes; i++) {
      const args = ['--insecure', '--superlink', `127.0.0.1:${fleet}`, '--port', String(await freePort())];
      this.owners.push(this.#start('flower-supernode', [...args, ...(isGrpc ? ['--grpc-rere'] : [])]));
    }
    await sleep(5000);
    return this;
  }

  /** FedAvg with so many values of 4 bytes; `onRound` hears when the nodes are there (0) and when each round was merged. */
  async run({ values, rounds, polling = 0 }, onRound) {
    const events = join(this.#root, `events-${Date.now()}.jsonl`);
    const settings = `values=${values} rounds=${rounds} nodes=${this.nodes} polling=${polling.toFixed(3)} events="${events}"`;
    const flwr = spawn(join(this.bin, 'flwr'), ['run', join(this.#root, 'app'), 'bench', '-c', settings], {
      env: this.env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = await once(flwr, 'exit');
    if (code !== 0) throw new Error(`"flwr run" ended with ${code}.`);
    const until = Date.now() + 300_000;
    for (let seen = 0; seen <= rounds; await sleep(LOOK_MS)) {
      const lines = existsSync(events) ? readFileSync(events, 'utf8').trim().split('\n').filter(Boolean) : [];
      for (; seen < lines.length; seen++) {
        const { round, replies } = JSON.parse(lines[seen]);
        if (round > 0 && replies !== this.nodes) throw new Error(`${replies} of ${this.nodes} nodes answered.`);
        onRound(round);
      }
      if (Date.now() > until) throw new Error('Flower gave no result within five minutes.');
    }
  }

  async close() {
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#root, { recursive: true, force: true });
  }
}
