import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

/** The arguments of a call that begins at `from`, up to the bracket that closes it, without what stands in further brackets. */
function ownArguments(text: string, from: number): string {
  let depth = 1;
  let own = '';
  for (let i = from; i < text.length && depth > 0; i++) {
    if ('([{'.includes(text[i]!)) depth++;
    else if (')]}'.includes(text[i]!)) depth--;
    else if (depth === 1) own += text[i];
  }
  return own;
}

/** Calls that put a list of unknown length onto the stack: with about 125,000 entries they throw a RangeError. */
function spreads(text: string): string[] {
  return [...text.matchAll(/(?:Math\.(?:min|max|hypot)|\.(?:push|unshift)|fromCharCode|fromCodePoint)\(/g)].flatMap(
    (call) => {
      const own = ownArguments(text, call.index + call[0].length);
      return own.includes('...') ? [`${call[0]}${own})`] : [];
    },
  );
}

it('finds spreads, and no more than those', () => {
  expect(spreads('a.push(...b); Math.max(0, ...c.map((d) => [...d])); a.push({ ...b }, [...c]); f(...b)')).toHaveLength(
    2,
  );
});

it('is found nowhere in src: lists are as long as data and runs are', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(100);
  expect(files.flatMap((file) => spreads(readFileSync(src + file, 'utf8')).map((call) => `${file}: ${call}`))).toEqual(
    [],
  );
});
