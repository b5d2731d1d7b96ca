import { splitSpecial } from './special.js';
import type { DecodeOptions, EncodeOptions, Tokenizer } from './types.js';

export interface SpmVocabulary {
  readonly tokens: readonly string[];
  /** One a token; of two possible merges the higher score goes first. */
  readonly scores: readonly number[];
  /** Control tokens by text. */
  readonly special: ReadonlyMap<string, number>;
  /** Tokens that are always cut out of any text. */
  readonly userDefined: ReadonlyMap<string, number>;
  /** Id of the token of each byte, 256 values; undefined where the vocabulary has none. */
  readonly byteIds: readonly (number | undefined)[];
  /** Ids that text may merge into: neither control, unknown, byte nor unused tokens. */
  readonly mergeable: ReadonlyMap<string, number>;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  /** Text starts with a space that is not there. */
  readonly addSpacePrefix: boolean;
}

const SPACE = '\u2581';

interface Symbol {
  text: string;
  prev: number;
  next: number;
}

/** A binary heap of candidate merges: highest score first, then leftmost. */
class MergeQueue {
  readonly #items: { left: number; text: string; score: number }[] = [];

  static #before(a: { left: number; score: number }, b: { left: number; score: number }): boolean {
    return a.score > b.score || (a.score === b.score && a.left < b.left);
  }

  push(item: { left: number; text: string; score: number }): void {
    const items = this.#items;
    let i = items.push(item) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!MergeQueue.#before(items[i]!, items[parent]!)) break;
      [items[i], items[parent]] = [items[parent]!, items[i]!];
      i = parent;
    }
  }

  pop(): { left: number; text: string; score: number } | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) {
      items[0] = last;
      let i = 0;
      for (;;) {
        const left = 2 * i + 1;
        const right = left + 1;
        let best = i;
        if (left < items.length && MergeQueue.#before(items[left]!, items[best]!)) best = left;
        if (right < items.length && MergeQueue.#before(items[right]!, items[best]!)) best = right;
        if (best === i) break;
        [items[i], items[best]] = [items[best]!, items[i]!];
        i = best;
      }
    }
    return top;
  }
}

/**
 * SentencePiece BPE with scores, as GGUF files of the first llamas hold it: neighbours merge while the vocabulary has
 * their concatenation, highest score first; what is left over and unknown becomes bytes.
 */
export class SpmTokenizer implements Tokenizer {
  readonly kind = 'spm';
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #vocabulary: SpmVocabulary;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #bytes: ReadonlyMap<number, number>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #cut: ReadonlyMap<string, number>;

  constructor(vocabulary: SpmVocabulary) {
    this.#vocabulary = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.addBos = vocabulary.addBos;
    this.specialTokens = vocabulary.special;
    this.bosId = vocabulary.bosId;
    this.eosId = vocabulary.eosId;
    this.eotId = vocabulary.eotId;
    this.unkId = vocabulary.unkId;
    this.#ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
    this.#bytes = new Map(vocabulary.byteIds.flatMap((id, byte) => (id === undefined ? [] : [[id, byte] as const])));
    this.#specialIds = new Set(vocabulary.special.values());
    this.#cut = new Map([...vocabulary.userDefined, ...vocabulary.special]);
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const cut = options.special === true ? this.#cut : this.#vocabulary.userDefined;
    const ids: number[] = [];
    // As llama.cpp: a space goes before the first word and before a word that follows a cut-out token.
    for (const part of splitSpecial(text, cut)) {
      if (part.id === undefined) this.#merge(part.text, ids);
      else ids.push(part.id);
    }
    return ids;
  }

  #merge(text: string, ids: number[]): void {
    const spaced = (this.#vocabulary.addSpacePrefix ? ' ' : '') + text;
    const symbols: Symbol[] = Array.from(spaced.replaceAll(' ', SPACE), (char, i) => ({
      text: char,
      prev: i - 1,
      next: i + 1,
    }));
    symbols.at(-1)!.next = -1;
    const queue = new MergeQueue();
    const consider = (left: number) => {
      const right = left < 0 ? -1 : symbols[left]!.next;
      if (right < 0) return;
      const joined = symbols[left]!.text + symbols[right]!.text;
      const id = this.#vocabulary.mergeable.get(joined);
      if (id !== undefined) queue.push({ left, text: joined, score: this.#vocabulary.scores[id]! });
    };
    for (let i = 0; i < symbols.length - 1; i++) consider(i);
    for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
      const left = symbols[best.left]!;
      const right = left.next < 0 ? undefined : symbols[left.next]!;
      // A candidate is stale when one of its two halves has merged with something else meanwhile.
      if (left.text === '' || right === undefined || left.text + right.text !== best.text) continue;
      left.text = best.text;
      right.text = '';
      left.next = right.next;
      if (right.next >= 0) symbols[right.next]!.prev = best.left;
      consider(left.prev);
      consider(best.left);
    }
    for (let i = 0; i >= 0; i = symbols[i]!.next) this.#emit(symbols[i]!.text, ids);
  }

  #emit(text: string, ids: number[]): void {
    const id = this.#vocabulary.mergeable.get(text);
    if (id !== undefined) {
      ids.push(id);
      return;
    }
    for (const byte of Buffer.from(text, 'utf8')) {
      const known = this.#vocabulary.byteIds[byte] ?? this.unkId;
      if (known !== undefined) ids.push(known);
    }
  }

  decode(ids: readonly number[] | Int32Array, options: DecodeOptions = {}): string {
    const pieces: Buffer[] = [];
    for (const id of ids) {
      const token = this.#vocabulary.tokens[id];
      if (token === undefined || (options.special !== true && this.#specialIds.has(id))) continue;
      const byte = this.#bytes.get(id);
      pieces.push(byte === undefined ? Buffer.from(token.replaceAll(SPACE, ' '), 'utf8') : Buffer.of(byte));
    }
    const text = Buffer.concat(pieces).toString('utf8');
    return this.#vocabulary.addSpacePrefix && text.startsWith(' ') ? text.slice(1) : text;
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.tokens[id];
  }
}
