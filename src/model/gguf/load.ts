import { basename } from 'node:path';
import { sha256Files } from '../../sha256.js';
import { originOf } from '../origin.js';
import { tokenizerFromGguf } from '../tokenizer/fromGguf.js';
import type { BaseModel } from '../types.js';
import { describeGguf } from './describe.js';
import { GgufMetadata } from './metadata.js';
import { readGgufModel } from './parts.js';

/** Keys that name the Hugging Face model which a file was made of, then the file's own repository (ggml's docs/gguf.md). */
const ORIGIN_KEYS = ['general.source.huggingface.repository', 'general.source.repo_url', 'general.repo_url'] as const;

/**
 * Reads and checks a GGUF file, or all parts of a split one. `path` is absolute; `sha256` is taken where it is known. Throws
 * ModelError.
 */
export async function loadGguf(path: string, sha256?: string): Promise<BaseModel> {
  const header = await readGgufModel(path);
  const meta = new GgufMetadata(header);
  const description = await describeGguf(header);
  const warnings: string[] = [];
  const tokenizer = tokenizerFromGguf(meta, description.vocabSize, (text) => warnings.push(text));
  const chatTemplate = meta.string('tokenizer.chat_template');
  return {
    name: meta.string('general.name') || basename(path, '.gguf'),
    sha256: sha256 ?? (await sha256Files(header.files)),
    format: 'gguf',
    path: header.path,
    description,
    tokenizer,
    ...originOf(
      path,
      ORIGIN_KEYS.map((key) => header.metadata[key]),
    ),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    permutedQk: description.ropes.some(({ pairing }) => pairing === 'interleaved'),
    warnings,
    embedded: false,
  };
}
