import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { uniform } from './methodsStats.mjs';
import { CACHE } from './paths.mjs';

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

const SIZES = { train: 40, valid: 16, test: 40 };
/** Characters of question, context and answer together, so that the wrapped answer fits into 160 tokens. */
const MAX_CHARACTERS = 320;
const SEED = 7;

function readRows(pattern) {
  const files = globSync(pattern, { absolute: true }).sort();
  if (files.length === 0) throw new Error(`Expected Dolly's JSON files at ${pattern} but there are none.`);
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8').trim();
    return text.startsWith('[') ? JSON.parse(text) : text.split('\n').map((line) => JSON.parse(line));
  });
}

function drawRows(rows, count) {
  const random = uniform(SEED);
  const seen = new Set();
  const short = rows.filter(({ instruction, context = '', response }) => {
    const key = `${instruction}\n${context}`;
    const fits = response.length > 20 && instruction.length + context.length + response.length <= MAX_CHARACTERS;
    if (!fits || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  if (short.length < count)
    throw new Error(`Expected at least ${count} short questions but the data has ${short.length}.`);
  for (let i = short.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [short[i], short[j]] = [short[j], short[i]];
  }
  return short.slice(0, count);
}

/** The rows as each owner has them: all owners get the same questions, each answers in its own convention. */
export function conventionRows(rows) {
  const total = SIZES.train + SIZES.valid + SIZES.test;
  const drawn = drawRows(rows, total);
  const parts = {
    train: drawn.slice(0, SIZES.train),
    valid: drawn.slice(SIZES.train, -SIZES.test),
    test: drawn.slice(-SIZES.test),
  };
  return Object.fromEntries(
    Object.entries(CONVENTIONS).map(([owner, write]) => [
      owner,
      Object.fromEntries(
        Object.entries(parts).map(([split, part]) => [
          split,
          part.map(({ instruction, context = '', response, category }) => ({
            instruction,
            context,
            response: write(response.trim()),
            category,
          })),
        ]),
      ),
    ]),
  );
}

/** Writes the eight owners' folders under the cache, once for equal input, and returns their folder. */
export async function makeConventions(pattern) {
  const owners = conventionRows(readRows(pattern));
  const text = JSON.stringify(owners);
  const dir = join(CACHE, `conventions-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`);
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
