import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadExamples } from '../../src/data/index.js';
import { randomStream } from '../../src/random.js';
import { freePort } from '../federation/server.js';
import { digestFiles } from '../methods/inlineRun.js';
import { TINY_RUN } from '../support/tinyRun.js';
import { ended, fedtune, makeWorkFolder, start } from './cli.js';

const NET = 'net';
const { examples } = await loadExamples('embedded');
/** The first owners of the embedded data. */
const OWNERS = [...new Set(examples.map(({ owner }) => owner!))].sort().slice(0, 2);
const SETTINGS = {
  ...TINY_RUN,
  ...{ method: 'ditto', also_local: true, finetune_steps: 1, num_rounds: 3, min_clients: 2, workers: 1, threads: 1 },
};
const SEED = 11;

/** A process of the command line, with all that it says. */
class Program {
  readonly args: readonly string[];
  readonly child: ChildProcess;
  said = '';

  constructor(cwd: string, args: readonly string[]) {
    this.args = args;
    this.child = start(cwd, args);
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

let cwd: string;
let server: Program;
const agents = new Map<string, Program>();

const startServer = async () => {
  server = new Program(cwd, ['federation', 'serve', NET]);
  await server.until('can join');
};
const startAgent = (owner: string) => {
  const args = ['join', `${owner}.invite`, '--data', `${owner}.jsonl`, '--accept'];
  agents.set(owner, new Program(cwd, args));
};

/** The nats-server that `federation serve` started. */
function natsServerId(): number {
  const parent = String(server.child.pid);
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
async function outcome(dir: string, owners: (owner: string) => string): Promise<Record<string, unknown>> {
  const { timing, ...metrics } = JSON.parse(await readFile(join(cwd, dir, 'metrics.json'), 'utf8'));
  const adapters = OWNERS.map((owner) => {
    const { 'adapter.gguf': _, ...files } = digestFiles(owners(owner));
    return files;
  });
  return { metrics, adapters, global: digestFiles(join(cwd, dir, 'adapters', 'global')) };
}

function farHome(dir: string) {
  const { run } = JSON.parse(readFileSync(join(cwd, dir, 'owners/federation.json'), 'utf8'));
  return (owner: string) => join(cwd, `${NET}-${owner}`, 'runs', run, 'adapter');
}

let reference: Record<string, unknown>;

beforeAll(async () => {
  cwd = await makeWorkFolder();
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
  reference = await outcome('threads', (owner) => join(cwd, 'threads/adapters', owner));
  const url = `nats://127.0.0.1:${await freePort()}`;
  expect((await fedtune(cwd, ['federation', 'init', NET, '--nats', url])).code).toBe(0);
  await startServer();
  for (const owner of OWNERS) {
    const { stdout, code } = await fedtune(cwd, ['federation', 'invite', NET, owner]);
    expect(code).toBe(0);
    await writeFile(join(cwd, `${owner}.invite`), stdout, { mode: 0o600 });
    startAgent(owner);
  }
  for (const agent of agents.values()) await agent.until('waiting for a run');
});

afterAll(async () => {
  for (const agent of agents.values()) await agent.kill('SIGTERM');
  await server?.kill('SIGTERM');
  await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
});

const runArgs = (dir: string) => ['run', 'run.yaml', '--runtime', 'nats', '--federation', NET, '--output-dir', dir];

describe('owners on machines of their own', () => {
  it('give the bits of threads', async () => {
    const { code, stderr } = await fedtune(cwd, runArgs('far'));
    expect(code, stderr).toBe(0);
    expect(await outcome('far', farHome('far'))).toEqual(reference);
    const status = await fedtune(cwd, ['federation', 'status', NET]);
    for (const owner of OWNERS) expect(status.stdout).toMatch(new RegExp(`${owner} +joined +connected +waits`));
  });

  it('leave nothing of their rows with the server or the coordinator', async () => {
    const bytesBelow = (dir: string): Buffer =>
      Buffer.concat(
        readdirSync(join(cwd, dir), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name))),
      );
    const theirs = Buffer.concat([bytesBelow(NET), bytesBelow('far')]);
    // The streams of the server are among them: what was asked last is found.
    expect(theirs.includes('"kind":"finish"')).toBe(true);
    let looked = 0;
    for (const owner of OWNERS) {
      const home = farHome('far')(owner).replace(/adapter$/, '');
      const rows = readFileSync(join(home, 'rows.jsonl'), 'utf8').trim().split('\n');
      const ids = JSON.parse(readFileSync(join(home, 'split.json'), 'utf8'));
      const scores = readFileSync(join(home, 'scores.jsonl'), 'utf8').trim().split('\n');
      const texts = [
        ...rows.flatMap((row) => [JSON.parse(row).instruction, JSON.parse(row).output]),
        ...Object.values(ids).flat(),
        ...scores.flatMap((line) => Object.values(JSON.parse(line).nll).map(String)),
      ] as string[];
      for (const text of texts.filter(({ length }) => length > 8)) {
        looked++;
        expect(theirs.includes(text), text).toBe(false);
        expect(theirs.includes(JSON.stringify(text).slice(1, -1)), text).toBe(false);
      }
    }
    expect(looked).toBeGreaterThan(50);
  });

  /** Who is killed when the first agent begins a round, and again a random while later. */
  const MOMENTS = [
    { round: 1, who: 'agent' },
    { round: 2, who: 'coordinator' },
    { round: 2, who: 'nats-server' },
    { round: 3, who: 'coordinator and agent' },
    { round: 1, who: 'nats-server and coordinator' },
    { round: 3, who: 'agent and nats-server' },
  ];
  const LAPS = process.env.npm_lifecycle_event === 'test:kill' ? 5 : 1;
  const CASES = Array.from({ length: LAPS * MOMENTS.length }, (_, i) => ({ i, ...MOMENTS[i % MOMENTS.length]! }));

  it.each(CASES)('and where $who is killed about round $round ($i)', async ({ i, who, round }) => {
    const random = randomStream(SEED, 'kill', i);
    const dir = `killed-${i}`;
    const [owner] = OWNERS as [string];
    const agent = agents.get(owner)!;
    const before = agent.said.split(`training, round ${round}`).length - 1;
    let coordinator = new Program(cwd, runArgs(dir));
    await agent.until(`training, round ${round}`, before + 1);
    for (const one of who.split(' and ')) {
      await sleep(random() * 400);
      if (one === 'coordinator') await coordinator.kill('SIGKILL');
      if (one === 'agent') await agent.kill('SIGKILL');
      if (one === 'nats-server') {
        process.kill(natsServerId(), 'SIGKILL');
        await ended(server.child);
      }
    }
    await sleep(random() * 1000);
    if (!server.isRunning) await startServer();
    if (!agent.isRunning) startAgent(owner);
    if (!coordinator.isRunning) coordinator = new Program(cwd, [...runArgs(dir), '--resume', dir]);
    await ended(coordinator.child);
    expect(coordinator.child.exitCode, coordinator.said).toBe(0);
    expect(await outcome(dir, farHome(dir))).toEqual(reference);
  });
});
