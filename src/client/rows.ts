import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { type Example, SPLITS } from '../data/types.js';
import { DataError } from '../errors.js';

const text = z.string();
/** What the simulation has written; whatever a row has beside this goes to the template as it is. */
const example = z.looseObject({
  id: text,
  instruction: text,
  input: text,
  output: text,
  category: text.optional(),
  split: z.enum(SPLITS).optional(),
  messages: z.array(z.looseObject({ role: text })).optional(),
  text: text.optional(),
});

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The file of an owner's rows in its home. */
export const rowsFile = (home: string): string => join(home, 'rows.jsonl');

/**
 * An owner's rows, in the order dealt. Throws DataError BAD_ROW, with the number of the line and nothing of what is in it: errors
 * leave the owner.
 */
export async function readOwnRows(home: string): Promise<Example[]> {
  const path = rowsFile(home);
  const examples: Example[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    const value = parseLine(line);
    const parsed = example.safeParse(value);
    if (!parsed.success) {
      const where = parsed.error.issues[0]?.path.join('.') ?? '';
      throw new DataError(
        'BAD_ROW',
        `Expected an example in line ${number} of ${path} but ${value === undefined ? 'it is no JSON' : `its ${where || 'form'} is another`}. ` +
          'Deal the rows out again.',
      );
    }
    examples.push(parsed.data as unknown as Example);
  }
  return examples;
}
