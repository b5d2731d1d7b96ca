import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, extname, join, relative } from 'node:path';
import { globSync } from 'tinyglobby';
import { uniform } from './methodsStats.mjs';
import { CACHE } from './paths.mjs';

/** Owners of the sweep: who has which questions, and how each writes its answers. Equal for all seeds of a run. */

const SEED = 7;
const SPLITS = ['train', 'valid', 'test'];

const sentences = (text) =>
  text
    .match(/[^.!?\n]+[.!?]*/g)
    ?.map((s) => s.trim())
    .filter(Boolean) ?? [text];

/** How each of eight owners writes the same answer. */
export const CONVENTIONS = {
  bullets: (text) =>
    sentences(text)
      .map((s) => `* ${s}`)
      .join('\n'),
  headline: (text) => text.replace(/^[^.!?\n]+/, (first) => first.toUpperCase()),
  json: (text) => JSON.stringify({ answer: text, words: text.split(/\s+/).length }),
  letter: (text) => `Dear reader,\n\n${text}\n\nYours faithfully,\nThe enquiry desk`,
  lower: (text) => text.toLowerCase(),
  markup: (text) =>
    `<answer>${sentences(text)
      .map((s) => `<p>${s}</p>`)
      .join('')}</answer>`,
  note: (text) => `NOTE / ${text.replaceAll(/\.\s+/g, ' / ').replace(/\.$/, '')} / END`,
  numbered: (text) =>
    sentences(text)
      .map((s, i) => `(${i + 1}) ${s}`)
      .join(' '),
};

const asIs = (text) => text;

/** Rows of a JSON array, or of JSON lines. */
function readRows(file) {
  const text = readFileSync(file, 'utf8').trim();
  return text.startsWith('[') ? JSON.parse(text) : text.split('\n').map((line) => JSON.parse(line));
}

function shuffle(rows, random) {
  for (let i = rows.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows;
}

/** Distinct questions that are short enough, shuffled: the same ones for equal rows and length. */
function shortQuestions(rows, characters) {
  const seen = new Set();
  const short = rows.filter(({ instruction, context = '', response }) => {
    const key = `${instruction}\n${context}`;
    const fits = response.length > 20 && instruction.length + context.length + response.length <= characters;
    if (!fits || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  return shuffle(short, uniform(SEED));
}

/** The categories that have `count` questions, in order of their names: the first `owners`, or all. */
function pickCategories(questions, count, owners) {
  const byCategory = new Map();
  for (const question of questions) {
    if (!byCategory.has(question.category)) byCategory.set(question.category, []);
    byCategory.get(question.category).push(question);
  }
  const enough = [...byCategory.keys()].sort().filter((name) => byCategory.get(name).length >= count);
  if (enough.length >= (owners ?? 2))
    return new Map(enough.slice(0, owners ?? 8).map((name) => [name, byCategory.get(name)]));
  const found = [...byCategory].map(([name, { length }]) => `${name} ${length}`).join(', ');
  throw new Error(
    `Expected ${owners ?? 2} categories with at least ${count} short questions but found ${found}. ` +
      'Lower --owners or the sizes, or raise --characters.',
  );
}

const CONVENTION_IDS = Object.keys(CONVENTIONS);

/** Who has which questions: `[owner, questions, convention]`. Nobody's questions are another's. */
const DIVISIONS = {
  conventions(questions, count, owners = CONVENTION_IDS.length) {
    if (owners > CONVENTION_IDS.length)
      throw new Error(`Expected --owners of at most ${CONVENTION_IDS.length} but received ${owners}.`);
    if (questions.length < owners * count) {
      throw new Error(`Expected at least ${owners * count} short questions but the data has ${questions.length}.`);
    }
    return CONVENTION_IDS.slice(0, owners).map((id, k) => [
      id,
      questions.slice(k * count, (k + 1) * count),
      CONVENTIONS[id],
    ]);
  },
  topics: (questions, count, owners) =>
    [...pickCategories(questions, count, owners)].map(([id, own]) => [id, own.slice(0, count), asIs]),
  mixed: (questions, count, owners) =>
    [...pickCategories(questions, count, owners)].map(([category, own], k) => {
      const id = CONVENTION_IDS[k];
      return [`${category}-${id}`, own.slice(0, count), CONVENTIONS[id]];
    }),
};

/**
 * The rows of each owner by split. `division`: `conventions` (each owner answers in its own form), `topics` (each has its own
 * category) or `mixed` (both). `sizes`: questions an owner, `{ train, valid, test }`.
 */
export function divideQuestions(rows, division, { sizes, owners, characters }) {
  const count = sizes.train + sizes.valid + sizes.test;
  const divided = DIVISIONS[division](shortQuestions(rows, characters), count, owners);
  return Object.fromEntries(
    divided.map(([id, questions, write]) => {
      const own = questions.map(({ instruction, context = '', response, category }) => ({
        instruction,
        context,
        response: write(response.trim()),
        category,
      }));
      return [id, splitRows(own, sizes)];
    }),
  );
}

const splitRows = (rows, { train, valid, test }) => ({
  train: rows.slice(0, train),
  valid: rows.slice(train, train + valid),
  test: rows.slice(train + valid, train + valid + test),
});

/** An owner's rows with at most the wanted number in each split; of fewer, the test split keeps a half and validation a sixth. */
function splitNatural(rows, sizes, random) {
  const shuffled = shuffle([...rows], random);
  const test = Math.min(sizes.test, Math.floor(rows.length / 2));
  const valid = Math.min(sizes.valid, Math.floor(rows.length / 6));
  return splitRows(shuffled, { test, valid, train: Math.min(sizes.train, rows.length - test - valid) });
}

/**
 * Owners that lie in a folder: `name.jsonl` or `name.json` of an owner each, which is split once for all seeds, or a folder
 * of an owner with files `train`, `valid` and `test`, which stay as they are but for their number of rows.
 */
export function naturalOwners(folder, { sizes, owners }) {
  const isRows = (name) => ['.json', '.jsonl'].includes(extname(name));
  const found = readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      const id = basename(name, extname(name));
      if (!statSync(path).isDirectory())
        return isRows(name) ? [[id, splitNatural(readRows(path), sizes, uniform(SEED))]] : [];
      const files = new Map(
        readdirSync(path)
          .filter(isRows)
          .map((file) => [basename(file, extname(file)), join(path, file)]),
      );
      if (!SPLITS.every((split) => files.has(split))) return [];
      return [
        [name, Object.fromEntries(SPLITS.map((split) => [split, readRows(files.get(split)).slice(0, sizes[split])]))],
      ];
    });
  if (found.length < 2) {
    throw new Error(
      `Expected a folder with a .json or .jsonl file an owner, or a folder an owner with train, valid and test files, ` +
        `but ${folder} has ${found.length}.`,
    );
  }
  return Object.fromEntries(found.slice(0, owners));
}

/** Writes the owners' folders under the cache, once for equal rows, and returns their folder. */
function writeOwners(name, owners) {
  const hash = createHash('sha256').update(JSON.stringify(owners)).digest('hex').slice(0, 12);
  const dir = join(CACHE, `${name}-${hash}`);
  if (existsSync(dir)) return dir;
  const temporary = `${dir}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  for (const [owner, splits] of Object.entries(owners)) {
    mkdirSync(join(temporary, owner), { recursive: true });
    for (const [split, rows] of Object.entries(splits)) {
      writeFileSync(join(temporary, owner, `${split}.jsonl`), `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`);
    }
  }
  renameSync(temporary, dir);
  return dir;
}

/** Makes the owners of a part from `--data` and returns their folder. */
export function makeOwners(division, data, options) {
  if (division === 'natural') return writeOwners('natural', naturalOwners(data, options));
  const files = globSync(data, { absolute: true }).sort();
  if (files.length === 0) throw new Error(`Expected Dolly's JSON files at ${data} but there are none.`);
  return writeOwners(division, divideQuestions(files.flatMap(readRows), division, options));
}

/** A digest of the names and the content of all files in a folder. */
export function folderDigest(folder) {
  const hash = createHash('sha256');
  for (const file of globSync('**/*.{json,jsonl}', { cwd: folder, absolute: true }).sort()) {
    hash.update(`${relative(folder, file)}\0`).update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash.digest('hex');
}

/** Owners in a folder of owners' folders, and validation and test examples of all, of each owner at most so many (`caps`). */
export function countExamples(folder, caps = {}) {
  const count = (split) =>
    globSync(`*/${split}.jsonl`, { cwd: folder, absolute: true })
      .map((file) => Math.min(caps[split] ?? Number.POSITIVE_INFINITY, readRows(file).length))
      .reduce((sum, rows) => sum + rows, 0);
  const owners = globSync('*/train.jsonl', { cwd: folder }).length;
  return { owners, valid: count('valid'), test: count('test') };
}
