import { join } from 'node:path';
import { z } from 'zod';
import { readRows } from '../data/rows/index.js';
import type { Example } from '../data/types.js';
import { DataError } from '../errors.js';

const text = z.string();
const example: z.ZodType<Example> = z.strictObject({
  id: text,
  instruction: text,
  input: text,
  output: text,
  category: text.optional(),
  owner: text.optional(),
  split: z.enum(['train', 'valid', 'test']).optional(),
  messages: z.array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: text })).optional(),
  text: text.optional(),
}) as z.ZodType<Example>;

/** The file of an owner's rows in its home. */
export const rowsFile = (home: string): string => join(home, 'rows.jsonl');

/**
 * An owner's rows, in the order dealt. Throws DataError BAD_ROW, with the number of the line and nothing of what is in it: errors
 * leave the owner.
 */
export async function readOwnRows(home: string): Promise<Example[]> {
  const path = rowsFile(home);
  const examples: Example[] = [];
  for await (const { line, value } of readRows(path)) {
    const parsed = example.safeParse(value);
    if (!parsed.success) {
      const where = parsed.error.issues[0]?.path.join('.') ?? '';
      throw new DataError(
        'BAD_ROW',
        `Expected an example in line ${line} of ${path} but ${value === undefined ? 'it is no JSON' : `its ${where || 'form'} is another`}. ` +
          'Deal the rows out again.',
      );
    }
    examples.push(parsed.data);
  }
  return examples;
}
