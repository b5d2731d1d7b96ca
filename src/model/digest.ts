import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Files } from '../sha256.js';
import type { BaseModel } from './types.js';

/** sha256 over the files from which tokenizer and chat template of a base are made; a GGUF file holds all in one. */
export async function tokenizerSha256({
  format,
  path,
  sha256,
}: Pick<BaseModel, 'format' | 'path' | 'sha256'>): Promise<string> {
  if (format === 'gguf') return sha256;
  const names = (await readdir(path)).filter((name) => /\.(json|jinja|model|txt)$/.test(name));
  return sha256Files(names.map((name) => join(path, name)));
}
