import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import { type GgufKeys, type GgufValue, ggufUint32, writeGguf } from '../../src/export/ggufFile.js';
import { readGgufHeader } from '../../src/model/gguf/header.js';

/** Every key of a GGUF file with its type, to write it again. */
export async function readKeys(path: string): Promise<Record<string, GgufValue>> {
  const { typedMetadata } = await gguf(path, { allowLocalFile: true, typedMetadata: true });
  const { version: _v, tensor_count: _t, kv_count: _k, ...keys } = typedMetadata as unknown as Record<string, never>;
  return keys as Record<string, GgufValue>;
}

/** Writes a GGUF file again: other keys, or only some tensors. */
export async function rewriteGguf(
  from: string,
  to: string,
  keys: GgufKeys,
  keep: (index: number) => boolean = () => true,
): Promise<void> {
  const { tensors } = await readGgufHeader(from);
  const file = await open(from, 'r');
  try {
    const kept = tensors.filter((_, i) => keep(i));
    await writeGguf(
      to,
      keys,
      kept.map((tensor) => ({
        ...tensor,
        async data() {
          const bytes = new Uint8Array(tensor.bytes);
          await file.read(bytes, 0, tensor.bytes, tensor.offset);
          return bytes;
        },
      })),
    );
  } finally {
    await file.close();
  }
}

/**
 * Splits a GGUF file as llama-gguf-split does: `NAME-00001-of-0000N.gguf` with all metadata, the others with the keys of the split
 * only. Returns the paths.
 */
export async function splitGguf(from: string, folder: string, name: string, count: number): Promise<string[]> {
  const { tensors } = await readGgufHeader(from);
  const keys = await readKeys(from);
  const paths: string[] = [];
  for (let no = 0; no < count; no++) {
    const five = (n: number) => String(n).padStart(5, '0');
    const path = join(folder, `${name}-${five(no + 1)}-of-${five(count)}.gguf`);
    const split = {
      'split.no': { ...ggufUint32(no), type: 2 },
      'split.count': { ...ggufUint32(count), type: 2 },
      'split.tensors.count': { ...ggufUint32(tensors.length), type: 5 },
    } as GgufKeys;
    await rewriteGguf(from, path, { ...(no === 0 ? keys : {}), ...split }, (i) => i % count === no);
    paths.push(path);
  }
  return paths;
}
