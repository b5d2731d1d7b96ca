import { OWNERS } from '../owners/index.mjs';
import { convention } from './convention.mjs';
import { CATEGORIES, example } from './example.mjs';
import { NearIndex } from './nearDuplicates.mjs';
import { stream } from './random.mjs';

export const SEED = 'fedtune-owners-1';
export const SPLITS = ['train', 'valid', 'test'];

/** A training input that shares this share of its runs of three masked words with a held-out one is drawn again. */
const TOO_NEAR = 0.5;

const HELD_OUT = { valid: 36, test: 54 };

/** `count` examples of one owner, as many of each category as of another; `accept` may refuse one. */
function draw(owner, split, count, accept) {
  const rules = convention(owner);
  const rng = stream(`${SEED}/${owner.id}/${split}`);
  const rows = [];
  while (rows.length < count) {
    const row = example(rng, CATEGORIES[rows.length % CATEGORIES.length], rules);
    if (accept(row.input)) rows.push(row);
  }
  const id = (index) => `${owner.id}-${split}-${String(index + 1).padStart(3, '0')}`;
  return rng.shuffle(rows).map((row, index) => ({ id: id(index), ...row }));
}

/**
 * The data of all owners, equal on every run: `[{owner, train, valid, test}]`. What is held out is drawn first; no
 * input occurs twice, and no training input of any owner is nearly one that any owner holds out.
 */
export function makeOwners() {
  const seen = new Set();
  const fresh = (input) => !seen.has(input) && Boolean(seen.add(input));
  const held = new NearIndex(3);
  const keep = (input) => {
    if (!fresh(input)) return false;
    held.add(input);
    return true;
  };
  const parts = OWNERS.map((owner) => ({
    owner,
    valid: draw(owner, 'valid', HELD_OUT.valid, keep),
    test: draw(owner, 'test', HELD_OUT.test, keep),
  }));
  return parts.map((part) => ({
    ...part,
    train: draw(part.owner, 'train', part.owner.size, (input) => held.nearest(input) < TOO_NEAR && fresh(input)),
  }));
}

export const toJsonl = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
