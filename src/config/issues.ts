import type { z } from 'zod';

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

/** One wrong value: where it stands, what was expected, what came. */
export function describeIssue(issue: z.core.$ZodIssue, input: unknown): string {
  return `${issue.path.map(String).join('.')}: ${expectation(issue)}, received ${shown(valueAt(input, issue.path))}.`;
}
