import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { loadExamples } from '../../src/data/index.js';
import { digestFiles } from '../methods/inlineRun.js';
import { TINY_RUN } from '../support/tinyRun.js';
import { type Ended, ended, fedtune, makeWorkFolder, start } from './cli.js';

export const NET = 'net';
const { examples } = await loadExamples('embedded');
/** The first owners of the embedded data. */
export const OWNERS = [...new Set(examples.map(({ owner }) => owner!))].sort().slice(0, 2);
const SETTINGS = {
  ...TINY_RUN,
  ...{ method: 'ditto', also_local: true, finetune_steps: 1, num_rounds: 3, min_clients: 2, workers: 1, threads: 1 },
};

/** A process of the command line, with all that it says. */
export class Program {
  readonly args: readonly string[];
  readonly child: ChildProcess;
  said = '';

  constructor(cwd: string, args: readonly string[], inside: readonly string[] = []) {
    this.args = args;
    this.child = start(cwd, args, undefined, inside);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (text) => {
        this.said += text;
      });
    }
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until it has said that so often. */
  async until(text: string, times = 1): Promise<void> {
    while (this.said.split(text).length <= times) {
      if (!this.isRunning) throw new Error(`fedtune ${this.args.join(' ')} ended: ${this.said}`);
      await sleep(20);
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const gone = ended(this.child);
    this.child.kill(signal);
    await gone;
  }
}

export interface NetPlace {
  /** Where owners find the server, and what `serve` listens on. */
  readonly url: string;
  readonly listen?: string;
  /** What stands before the coordinator's commands, and before those of owners. */
  readonly hub?: readonly string[];
  readonly far?: readonly string[];
}

/** A federation of two owners, all of it processes of the command line. */
export class Net {
  readonly cwd: string;
  readonly #place: NetPlace;
  server!: Program;
  readonly agents = new Map<string, Program>();
  /** The same run on one machine. */
  reference!: Record<string, unknown>;

  private constructor(cwd: string, place: NetPlace) {
    this.cwd = cwd;
    this.#place = place;
  }

  static async open(place: NetPlace): Promise<Net> {
    const net = new Net(await makeWorkFolder(), place);
    const { cwd } = net;
    for (const owner of OWNERS) {
      const rows = examples.filter((example) => example.owner === owner);
      const lines = rows.map(({ instruction, input, output, split }) =>
        JSON.stringify({ instruction, input, output, split }),
      );
      await writeFile(join(cwd, `${owner}.jsonl`), `${lines.join('\n')}\n`);
    }
    const { data: _, ...settings } = SETTINGS as Record<string, unknown>;
    await writeFile(join(cwd, 'run.yaml'), JSON.stringify({ ...settings, partition: 'natural' }));
    const run = await fedtune(cwd, ['run', 'run.yaml', '--data', '*.jsonl', '--output-dir', 'threads']);
    expect(run.code, run.stderr).toBe(0);
    net.reference = await net.outcome('threads', (owner) => join(cwd, 'threads/adapters', owner));
    expect((await net.fedtune(['federation', 'init', NET, '--nats', place.url])).code).toBe(0);
    await net.startServer();
    for (const owner of OWNERS) {
      const { stdout, code } = await net.fedtune(['federation', 'invite', NET, owner]);
      expect(code).toBe(0);
      await writeFile(join(cwd, `${owner}.invite`), stdout, { mode: 0o600 });
      net.startAgent(owner);
    }
    for (const agent of net.agents.values()) await agent.until('waiting for a run');
    return net;
  }

  /** A command at the coordinator, to its end. */
  fedtune(args: readonly string[]): Promise<Ended> {
    return ended(start(this.cwd, args, undefined, this.#place.hub));
  }

  /** A command at the coordinator. */
  program(args: readonly string[]): Program {
    return new Program(this.cwd, args, this.#place.hub);
  }

  async startServer(): Promise<void> {
    const { listen } = this.#place;
    this.server = this.program(['federation', 'serve', NET, ...(listen === undefined ? [] : ['--listen', listen])]);
    await this.server.until('can join');
  }

  startAgent(owner: string): void {
    const args = ['join', `${owner}.invite`, '--data', `${owner}.jsonl`, '--accept'];
    this.agents.set(owner, new Program(this.cwd, args, this.#place.far));
  }

  runArgs(dir: string): string[] {
    return ['run', 'run.yaml', '--runtime', 'nats', '--federation', NET, '--output-dir', dir];
  }

  /** The nats-server that `federation serve` started. */
  natsServerId(): number {
    const parent = String(this.server.child.pid);
    const found = readdirSync('/proc').find((id) => {
      try {
        const stat = readFileSync(`/proc/${id}/stat`, 'latin1');
        return stat.includes('(nats-server)') && stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === parent;
      } catch {
        return false;
      }
    });
    return Number(found);
  }

  /** All of a run that must be equal; what stays with the owners is read where they keep it. */
  async outcome(dir: string, owners = this.farHome(dir)): Promise<Record<string, unknown>> {
    const { timing, ...metrics } = JSON.parse(await readFile(join(this.cwd, dir, 'metrics.json'), 'utf8'));
    const adapters = OWNERS.map((owner) => {
      const { 'adapter.gguf': _, ...files } = digestFiles(owners(owner));
      return files;
    });
    return { metrics, adapters, global: digestFiles(join(this.cwd, dir, 'adapters', 'global')) };
  }

  /** Where an owner leaves what it takes home of a run. */
  farHome(dir: string): (owner: string) => string {
    return (owner) => {
      const { run } = JSON.parse(readFileSync(join(this.cwd, dir, 'owners/federation.json'), 'utf8'));
      return join(this.cwd, `${NET}-${owner}`, 'runs', run, 'adapter');
    };
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) await agent.kill('SIGTERM');
    await this.server?.kill('SIGTERM');
    await rm(this.cwd, { recursive: true, force: true, maxRetries: 3 });
  }
}
