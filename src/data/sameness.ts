import { createHash } from 'node:crypto';
import type { Example } from './types.js';

/** What makes two examples the same: all of their text, spaces at the ends aside. */
function contentKey({ instruction, input, output, text, messages }: Example): string {
  const turns = messages?.map(({ role, content }) => [role, content.trim()]);
  return JSON.stringify(
    text === undefined ? (turns ?? [instruction.trim(), input.trim(), output.trim()]) : text.trim(),
  );
}

/**
 * A number that is equal for examples with the same content, and for others with a probability of 2^-48 a pair; never 0.
 */
export function contentHash(example: Example): number {
  return createHash('sha256').update(contentKey(example)).digest().readUIntBE(0, 6) || 1;
}
