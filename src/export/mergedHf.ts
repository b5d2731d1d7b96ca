import { copyFile, type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Adapter, LayoutModule } from '../adapter/layout.js';
import { ModelError } from '../errors.js';
import { makeFolder } from '../files.js';
import type { TensorSource } from '../native/binding.js';
import type { MergeOptions } from './merged.js';
import { mergedValues } from './mergeWeights.js';
import { checkFits } from './modules.js';
import type { ExportModel } from './types.js';
import { writeVerified } from './writeVerified.js';

const SINGLE = 'model.safetensors';
/** What goes along with the weights: what transformers reads, and what the licence of the base asks to hand on. */
const SIDE_FILES =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^(merges\.txt|tokenizer\.model|chat_template\.jinja)$|^(licen[cs]e|notice)[\w.-]*$/i;
const PIECE = 1 << 22;

async function* copied(file: FileHandle, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; ) {
    const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(PIECE, to - at)), 0, undefined, at);
    if (bytesRead === 0)
      throw new ModelError('TRUNCATED', 'The base became shorter while it was read. Download it again.');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

interface Patch {
  readonly source: TensorSource;
  readonly module: LayoutModule;
}

/** The bytes of one file of the base, those of adapted weights replaced: whatever its header says stays true. */
async function* patched(
  files: readonly FileHandle[],
  at: number,
  adapter: Adapter,
  patches: readonly Patch[],
  { dequantize, quantize }: Pick<MergeOptions, 'dequantize' | 'quantize'>,
): AsyncGenerator<Uint8Array> {
  const file = files[at]!;
  let done = 0;
  for (const { source, module } of patches) {
    yield* copied(file, done, source.offset);
    yield quantize(source.type, await mergedValues(files, source, adapter, module, dequantize));
    done = source.offset + source.bytes;
  }
  yield* copied(file, done, (await file.stat()).size);
}

function patchesOf(adapter: Adapter, { description }: ExportModel): Patch[] {
  const sources = new Map(description.tensors.map((source) => [source.name, source]));
  const patches = adapter.layout.modules.map((module) => ({ source: sources.get(`${module.module}.weight`)!, module }));
  return patches.sort((x, y) => x.source.offset - y.source.offset);
}

/**
 * Writes a Hugging Face folder with the adapter merged in (W + s B A): weights in the files, names and types (F32, F16, BF16) of the
 * base, its config, tokenizer and licence beside them. `adapter` is in the row order of `model`.
 *
 * Throws ModelError NOT_HF for a base in another format, TRUNCATED, WRITE_FAILED; AdapterError as writePeftAdapter.
 */
export async function writeMergedHf(
  dir: string,
  adapter: Adapter,
  model: ExportModel,
  options: Pick<MergeOptions, 'dequantize' | 'quantize'>,
): Promise<void> {
  if (model.format !== 'hf') {
    throw new ModelError(
      'NOT_HF',
      `Expected a base in a Hugging Face folder but ${model.path} is a GGUF file. Name the folder of the same base ` +
        '(--base FOLDER or --base hf:owner/repo), or merge into a GGUF file (--format merged).',
    );
  }
  if (resolve(dir) === resolve(model.path))
    throw new ModelError(
      'WRITE_FAILED',
      `Expected another folder than that of the base, ${dir}. Choose one for --out.`,
    );
  checkFits(adapter, model.description);
  await makeFolder(dir);
  const paths = model.description.files;
  const patches = patchesOf(adapter, model);
  const files: FileHandle[] = [];
  try {
    for (const path of paths) files.push(await open(path, 'r'));
    for (const [at, path] of paths.entries()) {
      const own = patches.filter(({ source }) => source.file === at);
      await writeVerified(join(dir, basename(path)), patched(files, at, adapter, own, options), ModelError);
    }
  } finally {
    for (const file of files) await file.close();
  }
  const index = paths.some((path) => basename(path) !== SINGLE) ? [`${SINGLE}.index.json`] : [];
  const beside = (await readdir(model.path)).filter((name) => SIDE_FILES.test(name) || index.includes(name));
  for (const name of beside) await copyFile(join(model.path, name), join(dir, name));
}
