export interface TextPart {
  readonly text: string;
  /** Set where the part is a control token. */
  readonly id?: number;
}

const patterns = new WeakMap<ReadonlyMap<string, number>, RegExp>();

function patternOf(special: ReadonlyMap<string, number>): RegExp {
  let pattern = patterns.get(special);
  if (pattern === undefined) {
    // Longest first: of two tokens that start alike the longer one wins, as in the Hugging Face tokenizers.
    const names = [...special.keys()].filter((name) => name !== '').sort((a, b) => b.length - a.length);
    pattern = new RegExp(names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|') || '(?!)', 'g');
    patterns.set(special, pattern);
  }
  return pattern;
}

/** Cuts a text at its control tokens; empty parts are left out. */
export function splitSpecial(text: string, special: ReadonlyMap<string, number>): TextPart[] {
  const parts: TextPart[] = [];
  let start = 0;
  for (const match of text.matchAll(patternOf(special))) {
    if (match.index > start) parts.push({ text: text.slice(start, match.index) });
    parts.push({ text: match[0], id: special.get(match[0])! });
    start = match.index + match[0].length;
  }
  if (start < text.length) parts.push({ text: text.slice(start) });
  return parts;
}

/** Whether a text holds the text of a control token. */
export function hasSpecial(text: string, special: ReadonlyMap<string, number>): boolean {
  return text.search(patternOf(special)) >= 0;
}
