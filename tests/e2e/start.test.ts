import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printBeforeAfter } from '../../src/cli/beforeAfter.js';
import { readRunConfig } from '../../src/config/ofRun.js';
import { llamaCppAnswers } from '../../src/export/index.js';
import { loadModel } from '../../src/model/index.js';
import { readPartition } from '../../src/run/partitionRecord.js';
import type { RunResult } from '../../src/run/runFederation.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OWNERS = join(ROOT, 'datasets/owners');
/** `npm start`, cut down to seconds. */
const SHORT = [
  ...['--num-rounds', '2', '--local-steps', '3', '--finetune-steps', '3', '--eval-every', '1'],
  ...['--max-train-examples', '40', '--max-valid-examples', '4', '--max-test-examples', '12'],
];
/** A loaded machine takes minutes where a quiet one takes seconds. */
const PATIENCE = 400_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedtune-start-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command line, as `npm start` runs it; `watch` sees what it has printed so far. */
function fedtune(args: readonly string[], watch?: (stdout: string, child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { cwd: folder });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    watch?.(stdout, child);
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

interface Client {
  readonly id: string;
  readonly local: { readonly ppl: number };
  readonly take_home: { readonly which: string; readonly ppl: number };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Perplexity of what an owner takes home and of training alone, on its test examples that are marked `shared` or not. */
async function markedPerplexities({ id, take_home: home }: Client, shared: boolean): Promise<[number, number]> {
  const rows = (await readFile(join(OWNERS, id, 'test.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const scores = (await readFile(join(folder, 'runs/start/owners', id, 'scores.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ split, id: row }) => split === 'test' && rows[Number(row.split(':').at(-1)) - 1].shared === shared);
  const tokens = scores.reduce((sum, { targets }) => sum + targets, 0);
  return [home.which, 'local'].map((which) =>
    Math.exp(scores.reduce((sum, { nll }) => sum + nll[which], 0) / tokens),
  ) as [number, number];
}

describe('npm start', () => {
  let ended: Ended;
  beforeAll(async () => {
    ended = await fedtune(['start', ...SHORT]);
  }, PATIENCE);

  it('ends well and without a warning', () => {
    expect(ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('lets whoever trains alone have a rate of its own, and all weigh alike', async () => {
    const config = await readRunConfig(join(folder, 'runs/start'));
    expect(config).toMatchObject({ also_local: true, merge_weights: 'uniform' });
    expect(config.local_learning_rate).toBeGreaterThan(0);
    expect(config.local_learning_rate).not.toBe(config.learning_rate);
  });

  it('shows every owner in a table that fits', async () => {
    const lines = ended.stdout.split('\n');
    const head = lines.findIndex((line) => line.startsWith('owner '));
    expect(lines[head]!.split(/ {2,}/)).toEqual([
      'owner',
      'train',
      'test',
      'base',
      'local',
      'own',
      'unmerged',
      'tuned',
      'takes home',
    ]);
    const table = lines.slice(head, lines.indexOf('', head));
    expect(table).toHaveLength(1 + 8 + 2);
    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(100);
    const { clients } = JSON.parse(await readFile(join(folder, 'runs/start/metrics.json'), 'utf8'));
    for (const [i, client] of clients.entries()) {
      const row = table[i + 1]!;
      expect(row.startsWith(client.id)).toBe(true);
      const end = table[0]!.indexOf('tuned') + 'tuned'.length;
      expect(row.slice(0, end).endsWith(` ${client.tuned.ppl.toFixed(client.tuned.ppl < 100 ? 3 : 1)}`)).toBe(true);
      expect(client.tuned.ppl).toBeLessThan(client.base.ppl);
    }
  });

  it('says who gained against training alone, and where', async () => {
    const { clients } = JSON.parse(await readFile(join(folder, 'runs/start/metrics.json'), 'utf8'));
    const better = clients.filter((client: Client) => client.take_home.ppl < client.local.ppl);
    const home = mean(clients.map((client: Client) => client.take_home.ppl));
    const alone = mean(clients.map((client: Client) => client.local.ppl));
    const said = /^(\d) of 8 owners do better .* alone, in the mean (\S+) against (\S+) alone \(/m.exec(ended.stdout)!;
    expect(said.slice(1)).toEqual([String(better.length), home.toFixed(2), alone.toFixed(2)]);
    for (const { id } of clients)
      expect(said.input.split('\n').some((line) => line.startsWith(said[0]) && line.includes(`${id} (`))).toBe(
        !better.some((client: Client) => client.id === id),
      );
    // By hand from what the owners wrote: the examples that are marked in their data.
    for (const [shared, words] of [
      [true, 'answers that need codes only other owners trained on'],
      [false, 'answers that need no others'],
    ] as const) {
      const owners = await Promise.all(clients.map((client: Client) => markedPerplexities(client, shared)));
      const line = ended.stdout.split('\n').find((text) => text.startsWith(`  ${words}: `))!;
      const [ofHome, ofAlone] = [0, 1].map((i) => mean(owners.map((pair) => pair[i]!)).toFixed(2));
      expect(line).toContain(`: ${ofHome} against ${ofAlone} alone (`);
    }
  });

  it('shows an answer of llama.cpp before and after, the prompt and the true answer', async () => {
    const rows = (await readFile(join(OWNERS, 'hollow-lane-upkeep/test.jsonl'), 'utf8')).trim().split('\n');
    const asked = rows
      .map((line) => JSON.parse(line))
      .find(({ category, shared }) => category === 'appointment' && shared);
    const said = (label: string) => new RegExp(`^  ${label} +(.+)$`, 'm').exec(ended.stdout)?.[1];
    expect(said('prompt')).toBe(asked.instruction);
    expect(said('own answer')).toBe(asked.output);
    expect(said('base')).toMatch(/\w{3}/);
    expect(said('with adapter')).toMatch(/\w{3}/);
    expect(said('with adapter')).not.toBe(said('base'));
  });

  it('says where things are: they are there, and the command to export works', async () => {
    const named = /^in (\S+): (.*)$/m.exec(ended.stdout)!;
    for (const name of named[2]!.split(', '))
      expect(existsSync(join(folder, named[1]!, name.replace('<owner>', 'hollow-lane-upkeep'))), name).toBe(true);
    expect(existsSync(join(folder, 'runs/start/adapters/hollow-lane-upkeep/adapter.gguf'))).toBe(true);
    const command = /^export: +npx fedtune (.*)$/m.exec(ended.stdout)![1]!;
    const exported = await fedtune(command.split(' '));
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(folder, exported.stdout.trim()))).toBe(true);
  });

  it('goes without answers, and says so in a line, where llama.cpp cannot load the model', async () => {
    const dir = join(folder, 'runs/start');
    const config = await readRunConfig(dir);
    const model = { ...(await loadModel(config.model)), path: join(folder, 'gone.gguf') };
    const { clients: owners } = await readPartition(dir);
    let text = '';
    const stdout = { write: (part: string) => (text += part) };
    const context = { stdout, stderr: stdout, signal: new AbortController().signal };
    await printBeforeAfter({ dir, config, model, owners } as unknown as RunResult, context);
    expect(text).toMatch(/^\nNo answers before and after: .*gone\.gguf.*\n$/);
    const asking = llamaCppAnswers({ modelPath: model.path, adapters: [null], prompt: [1], maxTokens: 1 });
    await expect(asking).rejects.toMatchObject({ code: 'LLAMA_CPP' });
  });
});

describe.skipIf(process.platform === 'win32')('Ctrl-C during npm start', () => {
  it(
    'exits 130 with the command that goes on, and that ends the run',
    async () => {
      const stopped = await fedtune(['start', ...SHORT, '--output-dir', 'runs/stopped'], (stdout, child) => {
        if (stdout.includes('round 1 of 2:')) child.kill('SIGINT');
      });
      expect(stopped.code).toBe(130);
      const command = /fedtune (run --resume \S+)$/m.exec(stopped.stderr)![1]!;
      const resumed = await fedtune([...command.split(' '), '--json']);
      expect(resumed.code).toBe(0);
      const { timing: _, ...metrics } = JSON.parse(resumed.stdout);
      const { timing: __, ...whole } = JSON.parse(await readFile(join(folder, 'runs/start/metrics.json'), 'utf8'));
      expect(metrics).toEqual(whole);
    },
    PATIENCE,
  );
});
