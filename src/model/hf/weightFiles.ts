import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelError } from '../../errors.js';
import { type Json, readJson } from './json.js';

export const SINGLE = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';

/** The shards that an index names, in order. `where` is for messages. Throws ModelError BAD_METADATA. */
export function shardsOf(index: Json, where: string): string[] {
  const map = index.weight_map;
  const names = typeof map === 'object' && map !== null && !Array.isArray(map) ? Object.values(map) : [];
  if (names.length > 0 && names.every((name) => typeof name === 'string' && basename(name) === name)) {
    return [...new Set(names as string[])].sort();
  }
  throw new ModelError('BAD_METADATA', `Expected a "weight_map" to files in ${INDEX} of ${where}.`);
}

/**
 * The weights of a folder as transformers takes them: model.safetensors where it is, else the shards that the index names,
 * and nothing else. Other files (adapters, `consolidated.safetensors`, a stale index beside model.safetensors) may lie there.
 *
 * Throws ModelError NOT_FOUND, BAD_METADATA.
 */
export async function weightFiles(folder: string): Promise<string[]> {
  const present = await readdir(folder);
  if (present.includes(SINGLE)) return [join(folder, SINGLE)];
  const index = await readJson(join(folder, INDEX), 'BAD_METADATA');
  if (index === undefined) {
    const others = present.filter((name) => /\.(safetensors|bin|pt|pth|gguf)$/.test(name)).sort();
    const found = others.length === 0 ? 'neither' : `neither, only ${others.slice(0, 5).join(', ')}`;
    throw new ModelError(
      'NOT_FOUND',
      `Expected ${SINGLE} or ${INDEX} in ${folder} but there is ${found}. ` +
        'Save the model with transformers (save_pretrained), or name a .gguf file itself.',
    );
  }
  const shards = shardsOf(index, folder);
  const missing = shards.find((name) => !present.includes(name));
  if (missing !== undefined) {
    throw new ModelError('NOT_FOUND', `${folder} has no file ${missing}, which its index names. Download it again.`);
  }
  return shards.map((name) => join(folder, name));
}
