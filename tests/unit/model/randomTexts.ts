import { stream } from '../../support/mutate.js';

const PIECES = [
  ...[
    'the',
    ' The',
    'Hello',
    "I'm",
    "you'LL",
    ' ',
    '  ',
    '\n',
    '\r\n',
    '\n\n',
    '\t',
    ' \n',
    'x',
    'é',
    'naïve',
    '日本',
    '漢字',
  ],
  ...[
    '1',
    '12',
    '1234',
    '3.14',
    '٣',
    'Ⅻ',
    '½',
    '.',
    '...',
    '!?',
    '--',
    '(',
    '"',
    '👩‍👩‍👧',
    '🇫🇷',
    'Привет',
    'ß',
    'ǅ',
    'क्षि',
    'e\u0301',
  ],
  ...[
    '\u00a0',
    '\u2028',
    '\u200b',
    '\u0085',
    '\ufeff',
    '\u0000',
    '\ud800',
    '_',
    '#',
    '<',
    '|',
    '/',
    '\\',
    'aaaaaaaaaaaaaaaa',
  ],
];

/** Texts out of pieces that tokenizers cut in different ways. */
export function randomTexts(count: number, seed: number, without: readonly string[] = []): string[] {
  const random = stream(seed);
  const pieces = PIECES.filter((piece) => !without.includes(piece));
  return Array.from({ length: count }, () =>
    Array.from({ length: random(14) }, () => pieces[random(pieces.length)]!).join(''),
  );
}
