import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { loadData } from '../../src/client/data.js';
import { parseConfig } from '../../src/config/parse.js';
import { loadExamples } from '../../src/data/index.js';
import { TINY_RUN } from '../support/tinyRun.js';
import { temporaryFolder } from './owners.js';

// A whole run and its processes take their time where the machine has other work.
vi.setConfig({ testTimeout: 300_000 });

/** What stands in rows of owners and nowhere else; every row has another one besides. */
const CANARIES = ['Quokka7731', 'zyxwvu-canary', 'Ärmelkanal-Möwe'];
const OWNERS = ['north', 'south'];
const ROWS = 16;

const rowCanary = (owner: string, i: number): string => `kiwi${owner}${String(i).padStart(3, '0')}x`;

/** A folder with a file an owner. */
async function plantedData(dir: string): Promise<string> {
  const { examples } = await loadExamples('embedded');
  const data = join(dir, 'data');
  mkdirSync(data);
  OWNERS.forEach((owner, at) => {
    const rows = examples.slice(at * ROWS, (at + 1) * ROWS).map(({ instruction, output }, i) => ({
      instruction: `${CANARIES[0]} ${rowCanary(owner, i)}? ${instruction}`,
      input: CANARIES[1],
      output: `${CANARIES[2]} ${output}`,
    }));
    writeFileSync(join(data, `${owner}.jsonl`), rows.map((row) => JSON.stringify(row)).join('\n'));
  });
  return data;
}

/** Every way in which text could stand in a file or a message. */
const formsOfText = (text: string): Buffer[] => [
  Buffer.from(text),
  Buffer.from(text, 'utf16le'),
  Buffer.from(JSON.stringify(text).slice(1, -1)),
  Buffer.from(text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)),
  Buffer.from(Buffer.from(text).toString('hex')),
  // Base64 of the text at each of its three offsets, without the ends that its neighbours would change.
  ...[0, 1, 2].map((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]).toString('base64');
    return Buffer.from(whole.slice(4, -4));
  }),
];

/** The same for a run of token ids. */
function formsOfTokens(ids: readonly number[]): Buffer[] {
  const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return [
    ...[Int32Array, Uint16Array, Float32Array, Float64Array].map((type) => bytes(type.from(ids))),
    bytes(BigInt64Array.from(ids, BigInt)),
    ...[',', ', ', ' ', '\n'].map((between) => Buffer.from(ids.join(between))),
    // As JSON with an item a line.
    ...[2, 4, 6, 8].map((indent) => Buffer.from(ids.join(`,\n${' '.repeat(indent)}`))),
  ];
}

const TOKENS_IN_A_ROW = 5;

/** Runs of tokens of every example, all along. */
function tokenRuns(home: string): number[][] {
  const { tokens, offsets } = loadData(home);
  const runs: number[][] = [];
  for (let i = 0; i + 1 < offsets.length; i++) {
    for (let at = offsets[i]!; at + TOKENS_IN_A_ROW <= offsets[i + 1]!; at += TOKENS_IN_A_ROW) {
      runs.push([...tokens.subarray(at, at + TOKENS_IN_A_ROW)]);
    }
  }
  return runs;
}

const found = (haystack: readonly Buffer[], needles: readonly Buffer[]): boolean =>
  needles.some((needle) => haystack.some((hay) => hay.includes(needle)));

/** Files below a folder by their path in it. */
function filesBelow(dir: string): Map<string, Buffer> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(dir.length + 1), readFileSync(path)];
    }),
  );
}

async function plantedRun(settings: Record<string, unknown>) {
  const compiled = fileURLToPath(new URL('../../dist/run/runFederation.js', import.meta.url));
  const { runFederation } = (await import(compiled)) as typeof import('../../src/run/runFederation.js');
  const dir = temporaryFolder();
  const output_dir = join(dir, 'run');
  const messages: Buffer[] = [];
  const config = parseConfig({
    ...TINY_RUN,
    data: await plantedData(dir),
    seq_length: 256,
    eval_every: 1,
    num_rounds: 2,
    local_steps: 1,
    also_local: true,
    finetune_steps: 1,
    workers: 2,
    threads: 1,
    output_dir,
    ...settings,
  });
  await runFederation({
    config,
    tap: (_owner, _direction, bytes) => messages.push(Buffer.from(bytes)),
    onProgress: () => {},
  });
  const all = filesBelow(output_dir);
  const isOwners = (path: string) => path.startsWith(`owners${sep}`);
  const files = new Map([...all].filter(([path]) => !isOwners(path)));
  const homes = OWNERS.map((owner) => join(output_dir, 'owners', owner));
  return { messages, files, homes, owned: [...all].filter(([path]) => isOwners(path)).map(([, bytes]) => bytes) };
}

describe('nothing of a row leaves its owner in a whole run', () => {
  it.each([
    ['threads', { runtime: 'threads', method: 'perfit', mutation: 'fedqp', mutation_start: 2 }],
    ['processes', { runtime: 'processes', method: 'ditto' }],
  ])('%s: neither in a message nor in a file of the server', async (_, settings) => {
    const { messages, files, homes, owned } = await plantedRun(settings);
    expect(messages.length).toBeGreaterThan(15);
    const names = [...files.keys()].map((path) => path.split(sep).join('/'));
    for (const name of ['config.yaml', 'events.jsonl', 'partition.json', 'metrics.json', 'report.html', 'run.json']) {
      expect(names).toContain(name);
    }
    expect(names.some((name) => name.startsWith('state/blobs/'))).toBe(true);
    expect(names).toContain('adapters/north/adapter_model.safetensors');
    const seen = [...messages, ...files.values()];

    const texts = [
      ...CANARIES,
      ...OWNERS.flatMap((owner) => Array.from({ length: ROWS }, (_, i) => rowCanary(owner, i))),
    ];
    for (const text of texts) {
      // The search finds what is there.
      expect(found(owned, formsOfText(text)), text).toBe(true);
      expect(found(seen, formsOfText(text)), text).toBe(false);
    }
    const one = Buffer.concat(seen.flatMap((bytes) => [bytes, Buffer.alloc(8)]));
    for (const home of homes) {
      const runs = tokenRuns(home);
      expect(runs.length).toBeGreaterThan(50);
      expect(found(owned, formsOfTokens(runs[0]!))).toBe(true);
      for (const run of runs) expect(found([one], formsOfTokens(run)), run.join()).toBe(false);
    }
  });
});
