// Writes the parts of the cards that are computed: between `<!-- NAME -->` and `<!-- /NAME -->`.
// Usage: node datasets/scripts/writeCards.mjs [--check]   (--check: exit 1 where a card differs)
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CODEBOOK, codesIn, decoded } from './codebook.mjs';
import { convention } from './lib/convention.mjs';
import { KINDS, SPLITS, vocabularyOf } from './lib/makeOwners.mjs';
import { NearIndex } from './lib/nearDuplicates.mjs';
import { stream } from './lib/random.mjs';
import { OWNERS } from './owners/index.mjs';
import { TASKS } from './tasks/index.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(root + path, 'utf8');
const sha256 = (path) =>
  createHash('sha256')
    .update(readFileSync(root + path))
    .digest('hex');
const rows = (owner, split) =>
  read(`owners/${owner.id}/${split}.jsonl`)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const table = (head, body) =>
  [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const data = OWNERS.map((owner) => ({
  owner,
  ...Object.fromEntries(SPLITS.map((split) => [split, rows(owner, split)])),
}));

function sizes() {
  return table(
    ['owner', 'what', ...SPLITS, 'characters of input', 'of output'],
    data.map(({ owner, train, valid, test }) => [
      `\`${owner.id}\``,
      owner.title,
      ...[train, valid, test].map(({ length }) => length),
      Math.round(mean(train.map(({ input }) => input.length))),
      Math.round(mean(train.map(({ output }) => output.length))),
    ]),
  );
}

/** Similarity of test inputs to the nearest training input of any owner, and outputs that occur in both. */
function overlap() {
  const all = (split) => data.flatMap((part) => part[split]);
  const nearest = (n) => {
    const index = new NearIndex(n);
    for (const { input } of all('train')) index.add(input);
    return all('test')
      .map(({ input }) => index.nearest(input))
      .toSorted((a, b) => a - b);
  };
  const line = (n) => {
    const values = nearest(n);
    const at = (share) => values[Math.floor(share * (values.length - 1))];
    return [`runs of ${n} words`, mean(values), at(0.5), at(0.9), at(1)].map((v) =>
      typeof v === 'number' ? v.toFixed(2) : v,
    );
  };
  const inputs = new Set(all('train').map(({ input }) => input));
  const outputs = new Set(all('train').map(({ output }) => output));
  const same = (set, key) => all('test').filter((row) => set.has(row[key])).length;
  return (
    `${table(['Jaccard similarity', 'mean', 'median', '90 %', 'largest'], [3, 8].map(line))}\n\n` +
    `Test inputs that are training inputs: ${same(inputs, 'input')}; test outputs that are training outputs: ` +
    `${same(outputs, 'output')}, of ${all('test').length}.`
  );
}

/** What is shared: the codes, and who trains on each, by place in the table of owners. */
function codes() {
  const known = data.map(({ train }) => new Set(train.flatMap(({ input }) => codesIn(input))));
  const who = (entry) => known.flatMap((set, i) => (set.has(entry.code) ? [i + 1] : [])).join(', ');
  const names = { services: 'job', items: 'article', places: 'building' };
  return table(
    ['code', 'stands for', 'a', 'trained on by owners'],
    CODEBOOK.map((entry) => [`\`${entry.code}\``, entry.words, names[entry.kind], who(entry)]),
  );
}

const code = (text) => `\`${text.replaceAll('\n', ' ⏎ ')}\``.replaceAll('|', '\\|');

/** One input of each kind of work and what every owner answers. */
function conventions() {
  return KINDS.map((kind) => {
    const rng = stream(`card/${kind}`);
    const { input, facts } = TASKS[kind].make(rng, vocabularyOf(rng, CODEBOOK));
    const answers = OWNERS.map((owner) => {
      const rules = convention(owner);
      return [`\`${owner.id}\``, code(decoded(TASKS[kind].answer(facts, rules), rules.what))];
    });
    return `### ${kind}\n\n> **${TASKS[kind].ask[0]}** ${input}\n\n${table(['owner', 'answer'], answers)}`;
  }).join('\n\n');
}

function hashes() {
  const files = OWNERS.flatMap(({ id }) => SPLITS.map((split) => `owners/${id}/${split}.jsonl`));
  return table(
    ['file', 'sha256'],
    files.map((file) => [file, `\`${sha256(file)}\``]),
  );
}

function base() {
  const size = readFileSync(`${root}base/tiny.gguf`).length;
  const log = read('base/train.log').trimEnd().split('\n');
  return (
    `${table(['file', 'bytes', 'sha256'], [['base/tiny.gguf', size, `\`${sha256('base/tiny.gguf')}\``]])}\n\n` +
    `From \`train.log\`: ${log[1]}; ${log.at(-1)}.`
  );
}

const CARDS = {
  'owners/README.md': {
    sizes,
    overlap,
    codes,
    conventions,
    hashes,
  },
  'base/README.md': { base },
};

let different = 0;
for (const [path, parts] of Object.entries(CARDS)) {
  const before = read(path);
  let after = before;
  for (const [name, make] of Object.entries(parts)) {
    const pattern = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!pattern.test(after)) throw new Error(`${path} has no part called ${name}.`);
    after = after.replace(pattern, (_, open, close) => `${open}\n${make()}\n\n${close}`);
  }
  if (after === before) continue;
  different++;
  if (process.argv.includes('--check')) process.stderr.write(`${path} is not what writeCards.mjs writes.\n`);
  else writeFileSync(root + path, after);
}
if (process.argv.includes('--check') && different > 0) process.exitCode = 1;
