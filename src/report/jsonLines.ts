import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { RunError } from '../errors.js';

const NEWLINE = 0x0a;

/** Issues that an error names; a file of another version has one for each line. */
const MAX_ISSUES = 3;

function firstIssues({ issues }: z.ZodError): string {
  const told = issues.slice(0, MAX_ISSUES).map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`);
  const more = issues.length - told.length;
  return told.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** The error of a file in a run folder that holds something else than fedtune writes. */
function damaged(what: string, cause: unknown): RunError {
  const reason = cause instanceof z.ZodError ? firstIssues(cause) : (cause as Error).message;
  return new RunError('DAMAGED', `Expected what fedtune wrote but ${what} cannot be read: ${reason}`, { cause });
}

/** Checks a value that a file held. Throws RunError DAMAGED. */
export function checkRead<T>(what: string, value: unknown, schema: z.ZodType<T, unknown>): T {
  const checked = schema.safeParse(value);
  if (!checked.success) throw damaged(what, checked.error);
  return checked.data;
}

/** A text as JSON of a form. Throws RunError DAMAGED. */
export function readJson<T>(what: string, text: string, schema: z.ZodType<T, unknown>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(what, cause);
  }
  return checkRead(what, value, schema);
}

/**
 * Hands every line of a file to `each`, numbered from 1, one at a time: a file may be longer than a string can be. Only `\n`
 * ends a line, as JSON may hold the other line ends of Unicode. A last line without its end is left out: it is being
 * written, or was when the run was cut. Returns undefined where there is no file.
 */
export async function forEachLine(
  path: string,
  each: (line: string, number: number) => void,
): Promise<{ readonly torn: boolean } | undefined> {
  let number = 0;
  let rest: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        rest.push(chunk.subarray(from, end));
        each(Buffer.concat(rest).toString('utf8'), ++number);
        rest = [];
        from = end + 1;
      }
      if (from < chunk.length) rest.push(chunk.subarray(from));
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  return { torn: rest.length > 0 };
}
