import { describe, expect, it } from 'vitest';
import { isShowable, shellWord, shown } from '../../src/text.js';
import fc from '../support/properties.js';

describe('a text that is shown', () => {
  it.each([
    ['Praxis Dr. Müller', 'Praxis Dr. Müller'],
    ['北京 🙂 می‌خواهم', '北京 🙂 می‌خواهم'],
    ['a\nb\u001b[31m', 'a\\u000ab\\u001b[31m'],
    ['abc\u202edcb', 'abc\\u202edcb'],
    ['x'.repeat(200), `${'x'.repeat(39)}…`],
    ['\ud800', '\\ud800'],
  ])('%j', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it('cuts between letters, never inside one', () => {
    const family = '👨‍👩‍👧';
    expect(shown(family.repeat(10), 4)).toBe(`${family.repeat(3)}…`);
  });

  it('is one line, no longer than asked for, and itself where it fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 4, max: 60 }), (text, max) => {
        const line = shown(text, max);
        expect(isShowable(line)).toBe(true);
        expect(Array.from(new Intl.Segmenter('und').segment(line)).length).toBeLessThanOrEqual(max);
        if (isShowable(text) && text.length <= max) expect(line).toBe(text);
      }),
    );
  });
});

it.each([
  ['north', 'north'],
  ['runs/Süd_1.2', 'runs/Süd_1.2'],
  ['South side', "'South side'"],
  ["Anne's", "'Anne'\\''s'"],
  ['$(rm)', "'$(rm)'"],
  ['-x', "'-x'"],
  ['', "''"],
])('%s is one word of a command as %s', (text, word) => {
  expect(shellWord(text)).toBe(word);
});
