import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

const DATASETS = fileURLToPath(new URL('../../../datasets/', import.meta.url));
const SPLITS = ['train', 'valid', 'test'] as const;
type Split = (typeof SPLITS)[number];
type Row = Record<'id' | 'instruction' | 'input' | 'output' | 'category', string> & { shared: boolean };

const owners = new Map<string, Record<Split, Row[]>>();
const all = (split: Split) => [...owners.values()].flatMap((parts) => parts[split]);

async function read(owner: string, split: Split): Promise<Row[]> {
  const text = await readFile(`${DATASETS}owners/${owner}/${split}.jsonl`, 'utf8');
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

beforeAll(async () => {
  const entries = await readdir(`${DATASETS}owners`, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const [train, valid, test] = await Promise.all(SPLITS.map((split) => read(name, split)));
    owners.set(name, { train: train!, valid: valid!, test: test! });
  }
});

const script = (name: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [`${DATASETS}scripts/${name}`, ...args]);

/** Runs of three words, as they stand. */
function runs(text: string): Set<string> {
  const words = text.toLowerCase().split(/\W+/);
  return new Set(words.slice(2).map((word, i) => `${words[i]} ${words[i + 1]} ${word}`));
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const shared = [...a].filter((run) => b.has(run)).length;
  return shared / (a.size + b.size - shared);
}

describe('data of the eight owners', () => {
  it('has eight owners of 50 to 120 training examples and enough held out', () => {
    expect(owners.size).toBe(8);
    const sizes = [...owners.values()].map(({ train }) => train.length).sort((a, b) => a - b);
    expect(sizes).toEqual([50, 60, 70, 80, 90, 100, 110, 120]);
    for (const { valid, test } of owners.values()) {
      expect(valid).toHaveLength(36);
      expect(test).toHaveLength(72);
    }
  });

  it('has five filled texts a row, and ids of their own', () => {
    const rows = SPLITS.flatMap(all);
    for (const { shared, ...row } of rows) {
      expect(Object.keys(row)).toEqual(['id', 'instruction', 'input', 'output', 'category']);
      expect(shared).toBeTypeOf('boolean');
      for (const text of Object.values(row)) expect(text.trim()).toBe(text);
      expect(Object.values(row)).not.toContain('');
      expect(row.output).not.toMatch(/\{\w+\}|undefined|NaN|\?\.|\.\./);
    }
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it('uses no input twice', () => {
    const inputs = SPLITS.flatMap(all).map(({ input }) => input);
    expect(new Set(inputs).size).toBe(inputs.length);
  });

  it('holds out what is no training example with other words swapped in', () => {
    const train = all('train').map(({ input }) => runs(input));
    for (const row of [...all('valid'), ...all('test')]) {
      const held = runs(row.input);
      const nearest = Math.max(...train.map((other) => jaccard(held, other)));
      expect(nearest, row.id).toBeLessThan(0.6);
    }
  });

  it('asks for the same things at all owners and never says whose they are', () => {
    const wordings = [...owners.values()].map(({ train }) => new Set(train.map(({ category }) => category)));
    for (const categories of wordings) expect(categories).toEqual(wordings[0]);
    expect(wordings[0]!.size).toBe(6);
    // No wording is one owner's own.
    const asks = [...owners.values()].map(({ train }) => new Set(train.map(({ instruction }) => instruction)));
    for (const ask of new Set(asks.flatMap((set) => [...set])))
      expect(asks.filter((set) => set.has(ask)).length, ask).toBeGreaterThanOrEqual(4);
    for (const { instruction, input } of SPLITS.flatMap(all)) {
      const prompt = `${instruction} ${input}`;
      for (const title of ['Ashgrove', 'Bellmoor', 'Castle S', 'Dunlin', 'Eastgate', 'Fernhill', 'Gable', 'Hollow'])
        expect(prompt).not.toContain(title);
    }
  });
});

/** The association's list, and what an owner's rows need of it. */
async function codebook(): Promise<{ entries: { code: string; words: string }[]; codesIn(text: string): string[] }> {
  const { CODEBOOK, codesIn } = await import(`${DATASETS}scripts/codebook.mjs`);
  return { entries: CODEBOOK, codesIn };
}

describe('codes of the trade', () => {
  it('stand for words of their own', async () => {
    const { entries } = await codebook();
    expect(entries).toHaveLength(80);
    for (const key of ['code', 'words'] as const) expect(new Set(entries.map((entry) => entry[key])).size).toBe(80);
  });

  it('are in every input, and never in an answer, which has their words', async () => {
    const { entries, codesIn } = await codebook();
    const words = new Map(entries.map((entry) => [entry.code, entry.words.replace(/^the /, '')]));
    for (const { id, input, output } of SPLITS.flatMap(all)) {
      expect(codesIn(input).length, id).toBeGreaterThan(0);
      expect(codesIn(output), id).toEqual([]);
      for (const code of codesIn(input)) expect(output, id).toContain(words.get(code));
    }
  });

  it('are trained on by two or three owners each, and by none all', async () => {
    const { entries, codesIn } = await codebook();
    const known = [...owners.values()].map(({ train }) => new Set(train.flatMap(({ input }) => codesIn(input))));
    for (const codes of known) expect(codes.size).toBeLessThanOrEqual(30);
    for (const { code } of entries) {
      const count = known.filter((codes) => codes.has(code)).length;
      expect(count === 2 || count === 3, code).toBe(true);
    }
  });

  it('divide what is held out: half needs only codes that the owner trained on, half only codes of others', async () => {
    const { codesIn } = await codebook();
    for (const { train, valid, test } of owners.values()) {
      const own = new Set(train.flatMap(({ input }) => codesIn(input)));
      expect(train.every(({ shared }) => !shared)).toBe(true);
      for (const rows of [valid, test]) {
        expect(rows.filter(({ shared }) => shared)).toHaveLength(rows.length / 2);
        for (const { id, input, shared } of rows)
          for (const code of codesIn(input)) expect(own.has(code), `${id} ${code}`).toBe(!shared);
      }
    }
  });

  it('are nowhere in the corpus of the base', async () => {
    const { codesIn } = await codebook();
    const path = join(tmpdir(), `fedtune-corpus-${process.pid}.jsonl`);
    await script('makeCorpus.mjs', path, '3000');
    const text = await readFile(path, 'utf8');
    await rm(path);
    expect(text.split('\n').length).toBeGreaterThan(2900);
    expect(codesIn(text)).toEqual([]);
  });
});

describe('scripts of the data', () => {
  it('make the same files again', async () => {
    await expect(script('makeOwners.mjs', '--check')).resolves.toMatchObject({ stderr: '' });
  });

  it('find the cards as they would write them: statistics, overlaps, checksums', async () => {
    await expect(script('writeCards.mjs', '--check')).resolves.toMatchObject({ stderr: '' });
  });

  it('write a moment and a sum as each convention does', async () => {
    const { dates, times, monies, names, spokenTime } = await import(`${DATASETS}scripts/lib/formats.mjs`);
    const day = { day: 3, month: 2, weekday: 1 };
    expect(['long', 'slash', 'capitals', 'iso', 'dots', 'weekdayOrdinal'].map((format) => dates[format](day))).toEqual([
      'Tuesday 3 March',
      '03/03',
      'TUE 03 MAR',
      '2026-03-03',
      '3.3.',
      'Tue 3rd',
    ]);
    const time = { hour: 14, minute: 45 };
    expect(['colon', 'bare', 'pm', 'dotPm', 'h'].map((format) => times[format](time))).toEqual([
      '14:45',
      '1445',
      '2:45 pm',
      '2.45pm',
      '14h45',
    ]);
    expect(spokenTime(time)).toBe('quarter to three');
    expect(spokenTime({ hour: 12, minute: 0 })).toBe("twelve o'clock");
    expect(['pounds', 'comma', 'pence'].map((format) => monies[format](1250))).toEqual([
      '£12.50',
      '12,50 GBP',
      '1250p',
    ]);
    expect(names.sortedCapitals({ first: 'Nadia', last: 'Okafor' })).toBe('OKAFOR, Nadia');
  });

  it('count a text with other names, days and numbers as the same', async () => {
    const { NearIndex } = await import(`${DATASETS}scripts/lib/nearDuplicates.mjs`);
    const index = new NearIndex(3);
    index.add('Please ring Nadia Okafor on Tuesday 3 March at half past two.');
    expect(index.nearest('Please ring Owen Hale on Friday 14 May at half past nine.')).toBe(1);
    expect(index.nearest('The boiler of the school was repaired by two people.')).toBe(0);
  });
});
