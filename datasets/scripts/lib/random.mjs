/** 32-bit FNV-1a of a text, to seed a stream by its name. */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** A stream of random draws, equal on every machine for the same name (mulberry32). */
export function stream(name) {
  let state = hash(name);
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (n) => Math.floor(next() * n);
  const pick = (list) => list[int(list.length)];
  const shuffle = (list) => {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = int(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  };
  return {
    next,
    int,
    pick,
    shuffle,
    /** From `low` to `high`, both possible. */
    between: (low, high) => low + int(high - low + 1),
    chance: (p) => next() < p,
    sample: (list, k) => shuffle(list).slice(0, k),
    /** A key of `weights`, as often as its number says. */
    weighted: (weights) => {
      const entries = Object.entries(weights);
      let left = next() * entries.reduce((sum, [, w]) => sum + w, 0);
      for (const [key, w] of entries) {
        left -= w;
        if (left < 0) return key;
      }
      return entries.at(-1)[0];
    },
  };
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * `{slot}` of a text replaced from `values`, `{Slot}` by the value with a capital; values may have slots themselves. A
 * slot without a value is a mistake in the grammar. Stops that meet (`?.`) become one.
 */
export function fill(text, values) {
  const filled = text.replace(/\{(\w+)\}/g, (_, slot) => {
    const value = values[slot] ?? values[slot.toLowerCase()];
    if (value === undefined) throw new Error(`No value for {${slot}} in "${text}".`);
    const inner = fill(String(value), values);
    return values[slot] === undefined ? capital(inner) : inner;
  });
  return filled
    .replace(/\?[.!]/g, '?')
    .replace(/\.\.(?!\.)/g, '.')
    .replace(/\.!/g, '!');
}
