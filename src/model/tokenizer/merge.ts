interface Candidate {
  /** Place of the left half. */
  readonly left: number;
  /** Its text when the candidate was found, and the text of both halves: they tell whether it is stale. */
  readonly leftText: string;
  readonly joined: string;
  readonly score: number;
}

/** A binary heap of candidates: highest score first, then leftmost. */
class MergeQueue {
  readonly #items: Candidate[] = [];

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#items[a]!, this.#items[b]!];
    return x.score > y.score || (x.score === y.score && x.left < y.left);
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    [items[a], items[b]] = [items[b]!, items[a]!];
  }

  push(item: Candidate): void {
    let i = this.#items.push(item) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    if (items.length === 0) return undefined;
    this.#swap(0, items.length - 1);
    const top = items.pop();
    for (let i = 0; ; ) {
      let best = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < items.length && this.#before(child, best)) best = child;
      }
      if (best === i) return top;
      this.#swap(i, best);
      i = best;
    }
  }
}

/**
 * Merges neighbours, best score first and leftmost among equals, until no pair has a score. Takes O(n log n) for n
 * symbols, so that a word of a million letters does no harm.
 */
export function mergeSymbols(
  symbols: readonly string[],
  score: (left: string, right: string) => number | undefined,
): string[] {
  const texts = [...symbols];
  const next = texts.map((_, i) => i + 1);
  const previous = texts.map((_, i) => i - 1);
  const queue = new MergeQueue();
  const consider = (left: number) => {
    const right = left < 0 ? texts.length : next[left]!;
    if (right >= texts.length) return;
    const value = score(texts[left]!, texts[right]!);
    if (value === undefined) return;
    queue.push({ left, leftText: texts[left]!, joined: texts[left]! + texts[right]!, score: value });
  };
  for (let i = 0; i < texts.length - 1; i++) consider(i);
  for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
    const { left } = best;
    const right = next[left]!;
    // Stale where one of the halves has merged with something else meanwhile.
    if (texts[left] !== best.leftText || right >= texts.length || texts[left]! + texts[right]! !== best.joined)
      continue;
    texts[left] = best.joined;
    texts[right] = '';
    next[left] = next[right]!;
    if (next[right]! < texts.length) previous[next[right]!] = left;
    consider(previous[left]!);
    consider(left);
  }
  return texts.filter((text) => text !== '');
}
