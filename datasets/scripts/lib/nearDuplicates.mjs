import { NUMBERS } from './formats.mjs';
import { FIRST, LAST, MONTHS, WEEKDAYS } from './people.mjs';

const short = (names) => names.map((name) => name.slice(0, 3));
const NAMES = new Set([...FIRST, ...LAST].map((name) => name.toLowerCase()));
const DAYS = new Set([...WEEKDAYS, ...MONTHS, ...short(WEEKDAYS), ...short(MONTHS)].map((name) => name.toLowerCase()));
const COUNTS = new Set(NUMBERS);

/** Words of a text with names, days and numbers masked, so that swapping them makes no new text. */
export function maskedWords(text) {
  return (text.toLowerCase().match(/[a-z']+|\d+(st|nd|rd|th)?/g) ?? []).map((word) => {
    if (NAMES.has(word)) return '<name>';
    if (DAYS.has(word)) return '<day>';
    return COUNTS.has(word) || /^\d/.test(word) ? '<number>' : word;
  });
}

/** Runs of `n` words as a set; a text of fewer words is one run. */
export function shingles(words, n) {
  const runs = new Set();
  for (let i = 0; i + n <= words.length; i++) runs.add(words.slice(i, i + n).join(' '));
  if (runs.size === 0) runs.add(words.join(' '));
  return runs;
}

/** Texts by the runs of `n` masked words in them, to find the nearest one. */
export class NearIndex {
  #n;
  #sizes = [];
  #where = new Map();

  constructor(n) {
    this.#n = n;
  }

  add(text) {
    const runs = shingles(maskedWords(text), this.#n);
    const id = this.#sizes.push(runs.size) - 1;
    for (const run of runs) {
      const ids = this.#where.get(run);
      if (ids === undefined) this.#where.set(run, [id]);
      else ids.push(id);
    }
  }

  /** Largest Jaccard similarity (shared runs / all runs, 0 to 1) with a text of the index. */
  nearest(text) {
    const runs = shingles(maskedWords(text), this.#n);
    const shared = new Map();
    for (const run of runs) for (const id of this.#where.get(run) ?? []) shared.set(id, (shared.get(id) ?? 0) + 1);
    let best = 0;
    for (const [id, count] of shared) best = Math.max(best, count / (runs.size + this.#sizes[id] - count));
    return best;
  }
}
