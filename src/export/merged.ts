import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gguf } from '@huggingface/gguf';
import type { Adapter, LayoutModule } from '../adapter/layout.js';
import { ModelError } from '../errors.js';
import { makeFolder } from '../files.js';
import { readGgufModel } from '../model/gguf/parts.js';
import { GGML_BF16, GGML_F16, GGML_F32, GGML_Q8_0, ggmlType, tensorBytes } from '../model/gguf/types.js';
import type { TensorSource } from '../native/binding.js';
import { type GgufKeys, type GgufTensor, ggufUint32, writeGguf } from './ggufFile.js';
import { toGgufName } from './ggufNames.js';
import { mergedValues, readBytes } from './mergeWeights.js';
import { checkFits } from './modules.js';
import type { Dequantize, ExportModel, Quantize } from './types.js';

export interface MergeOptions {
  /**
   * Type of the merged weights. `base`: each tensor's own type where it is F32, F16, BF16 or Q8_0, else F16 (rounding to
   * 4 bits again would lose much of an adapter). Tensors without an adapter are copied as they are.
   * @default 'base'
   */
  readonly type?: 'base' | 'f16' | 'f32';
  readonly dequantize: Dequantize;
  readonly quantize: Quantize;
}

/** Types that merged weights keep; rounding once more to fewer bits would cost what the adapter brought. */
const KEPT: ReadonlySet<number> = new Set([GGML_F32, GGML_F16, GGML_BF16, GGML_Q8_0]);

/** `general.file_type` of llama.cpp (llama.h, `enum llama_ftype`) for files of mostly that type. */
const FILE_TYPES: Readonly<Record<number, number>> = { [GGML_F32]: 0, [GGML_F16]: 1 };

function outputType(own: number, wanted: NonNullable<MergeOptions['type']>): number {
  if (wanted === 'f32') return GGML_F32;
  if (wanted === 'f16') return GGML_F16;
  return KEPT.has(own) ? own : GGML_F16;
}

function mergedTensor(
  files: readonly FileHandle[],
  source: TensorSource,
  adapter: Adapter,
  module: LayoutModule,
  options: MergeOptions,
): GgufTensor {
  const type = outputType(source.type, options.type ?? 'base');
  return {
    name: source.name,
    ne: source.ne,
    type,
    bytes: tensorBytes(ggmlType(type)!, source.ne)!,
    data: async () => options.quantize(type, await mergedValues(files, source, adapter, module, options.dequantize)),
  };
}

/** All keys of the base, with the type of file that results. */
async function keysOf(path: string, tensors: readonly GgufTensor[]): Promise<GgufKeys> {
  const { typedMetadata } = await gguf(path, { allowLocalFile: true, typedMetadata: true });
  const { version: _v, tensor_count: _t, kv_count: _k, ...all } = typedMetadata as unknown as Record<string, never>;
  // What is written is one file, whatever the base was split into.
  const keys = Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith('split.')));
  const counts = new Map<number, number>();
  for (const { type, bytes } of tensors) counts.set(type, (counts.get(type) ?? 0) + bytes);
  const [main] = [...counts].sort((x, y) => y[1] - x[1])[0]!;
  const fileType = FILE_TYPES[main];
  const known: GgufKeys = fileType === undefined ? {} : { 'general.file_type': ggufUint32(fileType) };
  return { ...(keys as GgufKeys), ...known, 'general.alignment': ggufUint32(32) };
}

/**
 * Writes a GGUF model with the adapter merged in (W + s B A), tensor by tensor, for programs without adapters. Metadata and
 * tokenizer come from the base file. The adapter is in the row order of the base, so nothing is permuted.
 *
 * Throws ModelError NOT_GGUF for a base in another format, TRUNCATED, WRITE_FAILED; AdapterError as writePeftAdapter.
 */
export async function writeMergedGguf(
  file: string,
  adapter: Adapter,
  model: ExportModel,
  options: MergeOptions,
): Promise<void> {
  if (model.format !== 'gguf') {
    throw new ModelError(
      'NOT_GGUF',
      `Expected a base in a GGUF file, whose tokenizer can be copied, but ${model.path} is a Hugging Face folder. ` +
        'Merge into a folder (--format merged-hf), or convert the base to GGUF first.',
    );
  }
  checkFits(adapter, model.description);
  const adapted = new Map(adapter.layout.modules.map((module) => [`${toGgufName(module.module)}.weight`, module]));
  const header = await readGgufModel(model.path);
  await makeFolder(dirname(file));
  const files: FileHandle[] = [];
  try {
    for (const path of header.files) files.push(await open(path, 'r'));
    const tensors = header.tensors.map((source) => {
      const module = adapted.get(source.name);
      if (module !== undefined) return mergedTensor(files, source, adapter, module, options);
      return { ...source, data: () => readBytes(files, source) };
    });
    await writeGguf(file, await keysOf(model.path, tensors), tensors);
  } finally {
    for (const base of files) await base.close();
  }
}
