import { RE2JS } from 're2js';
import { AdapterError } from '../errors.js';

/** All regular expressions of one file together, in characters; the engine takes time in proportion to them. */
const MAX_EXPRESSIONS = 10_000;

/** A module's path, as nearly every pattern is: no operator but the dot. */
const PLAIN = /^[\w.]*$/;

/** Whether a whole name, or its end after a dot, is the pattern, in which a dot stands for any character. */
function endsWith(name: string, pattern: string): boolean {
  const start = name.length - pattern.length;
  if (start < 0 || (start > 0 && name[start - 1] !== '.')) return false;
  for (let i = 0; i < pattern.length; i++) if (pattern[i] !== '.' && pattern[i] !== name[start + i]) return false;
  return true;
}

/** A positive number of an adapter_config.json. Throws AdapterError BAD_CONFIG. */
export function positive(value: unknown, key: string, path: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new AdapterError(
    'BAD_CONFIG',
    `Expected ${key} of ${path} to be a positive number but received ${String(JSON.stringify(value)).slice(0, 60)}.`,
  );
}

/** One pattern as PEFT matches it (peft/utils/other.py, `get_pattern_key`): a whole name or its end after a dot. */
function matcher(pattern: string, path: string): (name: string) => boolean {
  if (PLAIN.test(pattern)) return (name) => endsWith(name, pattern);
  try {
    // Never RegExp: it backtracks, and a pattern of a few letters could keep the process busy for years.
    const expression = RE2JS.compile(`(.*\\.)?(${pattern})`);
    return (name) => expression.matches(name);
  } catch (cause) {
    throw new AdapterError(
      'BAD_CONFIG',
      `Expected the patterns of ${path} to be module names or regular expressions without look-around and back-references ` +
        `but ${JSON.stringify(pattern.slice(0, 80))} is none: ${(cause as Error).message}. Write the names of the modules instead.`,
      { cause },
    );
  }
}

/**
 * The value that a table of patterns (`alpha_pattern` of adapter_config.json) gives a module: that of the first pattern that
 * matches, or undefined. The file comes from anywhere, so the time is bounded whatever the patterns are.
 *
 * Throws AdapterError BAD_CONFIG for a table, pattern or value that is none.
 */
export function readPatterns(table: unknown, path: string): (name: string) => number | undefined {
  if (table === undefined || table === null) return () => undefined;
  if (typeof table !== 'object' || Array.isArray(table)) {
    throw new AdapterError('BAD_CONFIG', `Expected a table of patterns in ${path} but received ${typeof table}.`);
  }
  const keys = Object.keys(table);
  const length = keys.reduce((sum, key) => sum + (PLAIN.test(key) ? 0 : key.length), 0);
  if (length > MAX_EXPRESSIONS) {
    throw new AdapterError(
      'BAD_CONFIG',
      `Expected at most ${MAX_EXPRESSIONS} characters of regular expressions in ${path} but there are ${length}. ` +
        'Write the names of the modules instead.',
    );
  }
  const entries = Object.entries(table).map(([pattern, value]) => ({
    matches: matcher(pattern, path),
    value: positive(value, pattern.slice(0, 80), path),
  }));
  return (name) => entries.find(({ matches }) => matches(name))?.value;
}
