import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peersPython } from '../peers/python.mjs';
import { freePort } from './distributionNet.mjs';
import { CACHE, library, PEERS } from './paths.mjs';
import { killTrees } from './processTree.mjs';

const LOOK_MS = 20;

/**
 * Flower as its documentation deploys it: a SuperLink, a SuperNode an owner, each of which starts its app in a process of its own; on
 * loopback and without TLS. State in the SuperLink's memory, no installation of dependencies.
 */
export class Flower {
  #root = mkdtempSync(join(CACHE, 'flower-'));
  #children = [];
  /** Apps are not ended with who started them. */
  #end = () => killTrees(this.#children.map(({ pid }) => pid));

  /** `kind`: `flower`, the newest release, or `flower-grpc`, the last one with gRPC between SuperLink and SuperNodes. */
  constructor(kind) {
    process.once('exit', this.#end);
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
    const { isListening } = await library('federation/natsServer.js');
    while (!(await isListening('127.0.0.1', fleet))) await sleep(200);
    this.owners = [];
    for (let i = 0; i < nodes; i++) {
      const args = ['--insecure', '--superlink', `127.0.0.1:${fleet}`, '--port', String(await freePort())];
      this.owners.push(this.#start('flower-supernode', [...args, ...(isGrpc ? ['--grpc-rere'] : [])]));
    }
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
    const until = Date.now() + 200_000;
    for (let seen = 0; seen <= rounds; await sleep(LOOK_MS)) {
      const lines = existsSync(events) ? readFileSync(events, 'utf8').trim().split('\n').filter(Boolean) : [];
      for (; seen < lines.length; seen++) {
        const { round, replies } = JSON.parse(lines[seen]);
        if (round > 0 && replies !== this.nodes) throw new Error(`${replies} of ${this.nodes} nodes answered.`);
        onRound(round);
      }
      if (Date.now() > until) throw new Error('Flower gave no result within 200 s.');
    }
  }

  async close() {
    process.off('exit', this.#end);
    this.#end();
    // What an app writes as it ends.
    await sleep(1000);
    rmSync(this.#root, { recursive: true, force: true });
  }
}
