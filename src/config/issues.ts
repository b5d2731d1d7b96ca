import type { z } from 'zod';
import { nearest } from './nearest.js';

/** A value in a message, in at most 80 characters. */
export function shown(value: unknown): string {
  // JSON has no NaN and no infinity, which arithmetic and YAML have.
  if (typeof value === 'number') return String(value);
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
}

/** What was expected, in words: `expected int`, `expected one of "a"|"b"`, `expected string or array`. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') {
    return issue.message.replace(/^Invalid (input|option): /, '').replace(/, received .*$/, '');
  }
  const kinds = issue.errors.map((branch) => (branch[0] ? expectation(branch[0]) : '').replace(/^expected /, ''));
  return `expected ${[...new Set(kinds)].join(' or ')}`;
}

/** Names in a list that is still read at a glance. */
const SHORT_LIST = 6;

/** One wrong value: where it stands, what was expected (of a long list the nearest name, where one is near), what came. */
export function describeIssue(issue: z.core.$ZodIssue, input: unknown): string {
  const value = valueAt(input, issue.path);
  const names = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  const near = typeof value === 'string' ? nearest(value, names) : undefined;
  const expected = near !== undefined && names.length > SHORT_LIST ? 'expected a known name' : expectation(issue);
  const question = near === undefined ? '' : ` Did you mean "${near}"?`;
  return `${issue.path.map(String).join('.')}: ${expected}, received ${shown(value)}.${question}`;
}
