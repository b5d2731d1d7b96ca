import { detached } from '../../text.js';

/** Longer words seldom come again. */
const MAX_LENGTH = 64;
const MAX_WORDS = 50_000;

/** Ids of words that were encoded before; natural language repeats few words most of the time. */
export class RememberedWords {
  readonly #ids = new Map<string, readonly number[]>();
  readonly #encode: (word: string) => readonly number[];

  constructor(encode: (word: string) => readonly number[]) {
    this.#encode = encode;
  }

  idsOf(word: string): readonly number[] {
    const known = this.#ids.get(word);
    if (known !== undefined) return known;
    const ids = this.#encode(word);
    if (word.length <= MAX_LENGTH) {
      // Starting over is simpler than evicting, and as good: the common words are back at once.
      if (this.#ids.size >= MAX_WORDS) this.#ids.clear();
      this.#ids.set(detached(word), ids);
    }
    return ids;
  }
}
