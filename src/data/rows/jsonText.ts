import { LosslessNumber, parse } from 'lossless-json';

/** What `NaN` and `Infinity` are, which Python writes and JSON does not know. Strings pass as they are. */
const PYTHON_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|\bNaN\b|-?\bInfinity\b/g;

function hasNumber(value: unknown): boolean {
  if (typeof value === 'number') return true;
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) ? value.some(hasNumber) : Object.values(value).some(hasNumber);
}

/**
 * A JSON value whose numbers keep their spelling (`LosslessNumber`): 12345678901234567890 and 1.0 stay what they are.
 * NaN and infinities, as Python writes them, are null. Throws SyntaxError.
 */
export function parseJson(text: string): unknown {
  let json = text;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    if (!/NaN|Infinity/.test(text)) throw cause;
    json = text.replace(PYTHON_NUMBERS, (token) => (token.startsWith('"') ? token : 'null'));
    value = JSON.parse(json);
  }
  // The library reads every number as text, at a tenth of the speed: most rows have none.
  return hasNumber(value) ? parse(json, null, { onDuplicateKey: ({ newValue }) => newValue }) : value;
}

/** What is wrong with a text that is no JSON, without the piece of it that the engine's message quotes: a short row would be told whole. */
export function jsonFault(error: unknown): string {
  const message = (error as Error).message.replace(/(?:, )?(?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON$/su, '');
  return message === '' ? 'it is another text' : message;
}

/** A value as a program wants it: numbers as numbers (for the arguments of a tool call). */
export function withPlainNumbers(value: unknown): unknown {
  if (value instanceof LosslessNumber) return Number(value.value);
  if (Array.isArray(value)) return value.map(withPlainNumbers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withPlainNumbers(item)]));
}

const PYTHON_TOKENS = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"|\b(?:None|True|False)\b/g;
const PYTHON_WORDS: Readonly<Record<string, string>> = { None: 'null', True: 'true', False: 'false' };
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\u0007',
  '0': '\0',
  '\n': '',
};

/** The text of a Python string literal without its quotes. */
function pythonText(literal: string): string {
  return literal.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([\s\S]))/gi,
    (_, x, u, wide, letter: string | undefined) => {
      const code: string | undefined = x ?? u ?? wide;
      if (code !== undefined) return String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(code, 16)));
      return ESCAPES[letter!] ?? letter!;
    },
  );
}

/** Lists and dictionaries as Python's str() writes them, which pandas puts into CSV files; undefined where it is none. */
export function parsePython(text: string): unknown {
  const json = text.replace(
    PYTHON_TOKENS,
    (token) => PYTHON_WORDS[token] ?? JSON.stringify(pythonText(token.slice(1, -1))),
  );
  try {
    return parseJson(json);
  } catch {
    return undefined;
  }
}
