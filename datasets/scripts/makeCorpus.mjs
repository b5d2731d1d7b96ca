// Writes the corpus of the tiny base as JSON lines: {text}, or an instruction in neutral conventions.
// Usage: node datasets/scripts/makeCorpus.mjs OUT.jsonl [COUNT]

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { CATEGORIES, example } from './lib/example.mjs';
import { makeOwners, SPLITS } from './lib/makeOwners.mjs';
import { neutral } from './lib/neutral.mjs';
import { prose } from './lib/prose.mjs';
import { stream } from './lib/random.mjs';
import { TRADES } from './lib/trades.mjs';

export const CORPUS_SEED = 'fedtune-corpus-1';
const PROSE_SHARE = 0.2;

const [path, count = '200000'] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: node makeCorpus.mjs OUT.jsonl [COUNT]');

const owned = new Set(makeOwners().flatMap((part) => SPLITS.flatMap((split) => part[split].map(({ input }) => input))));
const rng = stream(CORPUS_SEED);
const out = createWriteStream(path);
let refused = 0;
for (let i = 0; i < Number(count); i++) {
  const row = rng.chance(PROSE_SHARE)
    ? { text: prose(rng) }
    : example(rng, rng.pick(CATEGORIES), neutral(rng), rng.pick(Object.keys(TRADES)), 0.4);
  if (owned.has(row.input)) {
    refused++;
    continue;
  }
  if (!out.write(`${JSON.stringify(row)}\n`)) await once(out, 'drain');
}
out.end();
await once(out, 'finish');
process.stdout.write(`${Number(count) - refused} texts, ${refused} refused because an owner has the input\n`);
