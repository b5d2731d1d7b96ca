import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadData } from '../../src/client/data.js';
import { loadExamples } from '../../src/data/index.js';

/** What stands in rows of owners and nowhere else; every row has another one besides. */
export const CANARIES = ['Quokka7731', 'zyxwvu-canary', 'Ärmelkanal-Möwe'];
export const OWNERS = ['north', 'south'];
export const ROWS = 16;

export const rowCanary = (owner: string, i: number): string => `kiwi${owner}${String(i).padStart(3, '0')}x`;

/** A folder with a file an owner. */
export async function plantedData(dir: string): Promise<string> {
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
export const formsOfText = (text: string): Buffer[] => [
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
export function formsOfTokens(ids: readonly number[]): Buffer[] {
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
export function tokenRuns(home: string): number[][] {
  const { tokens, offsets } = loadData(home);
  const runs: number[][] = [];
  for (let i = 0; i + 1 < offsets.length; i++) {
    for (let at = offsets[i]!; at + TOKENS_IN_A_ROW <= offsets[i + 1]!; at += TOKENS_IN_A_ROW) {
      runs.push([...tokens.subarray(at, at + TOKENS_IN_A_ROW)]);
    }
  }
  return runs;
}

export const found = (haystack: readonly Buffer[], needles: readonly Buffer[]): boolean =>
  needles.some((needle) => haystack.some((hay) => hay.includes(needle)));

/** Files below a folder by their path in it. */
export function filesBelow(dir: string): Map<string, Buffer> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(dir.length + 1), readFileSync(path)];
    }),
  );
}

/**
 * Nothing of any row, as text or as tokens, is in what others see, and all of it is in what the owners keep: the search finds what is there.
 * `homes`: the owners' folders.
 */
export function expectHidden(seen: readonly Buffer[], owned: readonly Buffer[], homes: readonly string[]): void {
  const rows = OWNERS.flatMap((owner) => Array.from({ length: ROWS }, (_, i) => rowCanary(owner, i)));
  for (const text of [...CANARIES, ...rows]) {
    expect(found(owned, formsOfText(text)), text).toBe(true);
    expect(found(seen, formsOfText(text)), text).toBe(false);
  }
  const one = joined(seen);
  for (const home of homes) {
    const runs = tokenRuns(home);
    expect(runs.length).toBeGreaterThan(50);
    expect(found(owned, formsOfTokens(runs[0]!))).toBe(true);
    for (const run of runs) expect(found([one], formsOfTokens(run)), run.join()).toBe(false);
  }
}

/** All of it in one piece, in which one search is enough. */
export const joined = (seen: readonly Buffer[]): Buffer =>
  Buffer.concat(seen.flatMap((bytes) => [bytes, Buffer.alloc(8)]));
