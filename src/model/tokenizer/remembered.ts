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
      // A copy: a word is a view of its text, and would keep all of that.
      this.#ids.set(Buffer.from(word, 'utf16le').toString('utf16le'), ids);
    }
    return ids;
  }
}
