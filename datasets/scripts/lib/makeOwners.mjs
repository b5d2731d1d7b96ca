import { CODEBOOK, codesIn, decoded } from '../codebook.mjs';
import { OWNERS } from '../owners/index.mjs';
import { TASKS } from '../tasks/index.mjs';
import { convention } from './convention.mjs';
import { NearIndex } from './nearDuplicates.mjs';
import { stream } from './random.mjs';
import { COMMON } from './trades.mjs';

export const SEED = 'fedtune-owners-2';
export const SPLITS = ['train', 'valid', 'test'];

/** The kinds of work in which codes occur. */
export const KINDS = ['appointment', 'record', 'notice', 'order', 'summary', 'urgency'];

/** Each code is trained on by the owners at these places after its own, of eight: three owners a code. */
const TRAINED_BY = [0, 1, 3];

/** A training input that shares this share of its runs of three masked words with a held-out one is drawn again. */
const TOO_NEAR = 0.5;

const HELD_OUT = { valid: 36, test: 72 };

/** The entries of the codebook that owner `index` trains on. */
export const trainedBy = (index) =>
  CODEBOOK.filter((_, entry) => TRAINED_BY.some((offset) => (entry + offset) % OWNERS.length === index));

/** Words of a message: codes of `entries`, each as often as another, and words without a code that anybody uses. */
export function vocabularyOf(rng, entries) {
  const decks = new Map();
  return (kind) => {
    const codes = entries.filter((entry) => entry.kind === kind).map(({ code }) => code);
    if (codes.length === 0) return rng.pick(COMMON[kind]);
    if (!decks.get(kind)?.length) decks.set(kind, rng.shuffle(codes));
    return decks.get(kind).pop();
  };
}

/**
 * `count` examples of one owner, as many of each kind as of another: the input has codes, the output what they stand for.
 * `accept` may refuse an input. Half of what is held out needs codes that only other owners train on (`shared`).
 */
function draw(owner, split, count, accept) {
  const rules = convention(owner);
  const rng = stream(`${SEED}/${owner.id}/${split}`);
  const own = trainedBy(OWNERS.indexOf(owner));
  const vocab = vocabularyOf(rng, own);
  const foreign = vocabularyOf(
    rng,
    CODEBOOK.filter((entry) => !own.includes(entry)),
  );
  const rows = [];
  while (rows.length < count) {
    const category = KINDS[rows.length % KINDS.length];
    const shared = split !== 'train' && rows.length >= count / 2;
    const { input, facts } = TASKS[category].make(rng, shared ? foreign : vocab);
    const instruction = rng.pick(TASKS[category].ask);
    if (codesIn(input).length === 0 || !accept(input)) continue;
    const output = decoded(TASKS[category].answer(facts, rules), rules.what);
    rows.push({ instruction, input, output, category, shared });
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
