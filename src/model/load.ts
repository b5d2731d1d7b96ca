import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError } from '../errors.js';
import { loadGguf } from './gguf/load.js';
import { loadHf } from './hf/load.js';
import { fetchModel } from './hub/model.js';
import type { Tokenizer } from './tokenizer/types.js';
import type { BaseModel, LoadModelOptions } from './types.js';

/** `datasets/` of this package, from src/model as from dist/model. */
const DATASETS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'datasets');

/**
 * Reads and checks a base model: its header, shapes and tokenizer, not its weights.
 *
 * `spec` is the path of a .gguf file or of a Hugging Face folder, `hf:owner/repo[@revision][/file]`, or `embedded`.
 * Throws ModelError, whose `code` says what is wrong.
 */
export async function loadModel(spec: string, options: LoadModelOptions = {}): Promise<BaseModel> {
  if (spec === 'embedded') {
    const path = join(options.datasetsDir ?? DATASETS, 'base', 'tiny.gguf');
    return { ...(await loadPath(path)), embedded: true };
  }
  if (spec.startsWith('hf:')) {
    const { path, hubId, revision, warning } = await fetchModel(spec, options);
    const model = await loadPath(path);
    const warnings = warning === undefined ? model.warnings : [warning, ...model.warnings];
    return { ...model, name: hubId, hubId, revision, warnings };
  }
  return loadPath(resolve(spec));
}

/** The tokenizer of a base that is known: its weights are not read again to say which it is. Throws ModelError. */
export async function loadTokenizer({ path, sha256 }: Pick<BaseModel, 'path' | 'sha256'>): Promise<Tokenizer> {
  return (await loadPath(path, sha256)).tokenizer;
}

async function loadPath(path: string, sha256?: string): Promise<BaseModel> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new ModelError(
      'NOT_FOUND',
      `Expected a .gguf file or a Hugging Face folder at ${path} but nothing is there.`,
      {
        cause,
      },
    );
  });
  return found.isDirectory() ? loadHf(path, sha256) : loadGguf(path, sha256);
}
