import { readFile } from 'node:fs/promises';
import { ModelError } from '../../errors.js';

export type Json = Readonly<Record<string, unknown>>;

/** A JSON object from a file; undefined where there is no file. Throws ModelError with the code given. */
export async function readJson(path: string, code: string): Promise<Json | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelError(code, `Expected JSON in ${path} but it cannot be read: ${(cause as Error).message}.`, {
      cause,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new ModelError(code, `Expected a JSON object in ${path}.`);
}
