import type { LayoutModule } from '../adapter/layout.js';
import { isPermutedInGguf } from '../model/index.js';
import type { ModelDescription } from '../native/binding.js';

/** The rows of a module are turned by RoPE, so that their order depends on how RoPE pairs them. */
function headsOf(description: ModelDescription, target: LayoutModule['target']): number {
  if (target === 'attn_q') return description.numHeads;
  if (target === 'attn_k') return description.numKvHeads;
  return 0;
}

/**
 * Row r of `result` of the interleaved (GGUF llama) order is row `map[r]` of the Hugging Face order, for one head after
 * the other: pairs (2i, 2i + 1) there are (i, i + headDim / 2) here.
 */
function interleavedFromHalf(heads: number, headDim: number): Uint32Array {
  const half = headDim / 2;
  const map = new Uint32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half; i++) {
      map[head * headDim + 2 * i] = head * headDim + i;
      map[head * headDim + 2 * i + 1] = head * headDim + half + i;
    }
  }
  return map;
}

/** Moves rows of `values` (rows x width): to Hugging Face's order (`toHf`) or from it. */
function moveRows<T extends Float32Array | Uint8Array>(values: T, width: number, map: Uint32Array, toHf: boolean): T {
  const moved = values.slice() as T;
  map.forEach((hf, interleaved) => {
    const [from, to] = toHf ? [interleaved, hf] : [hf, interleaved];
    moved.set(values.subarray(from * width, (from + 1) * width), to * width);
  });
  return moved;
}

/** True where this file's rows of q and k must move to reach the order that `order` means. */
function differs(permutedQk: boolean, description: ModelDescription, order: 'hf' | 'gguf'): boolean {
  const wanted = order === 'gguf' && isPermutedInGguf(description.architecture);
  return permutedQk !== wanted;
}

/**
 * B (outDim x rank) of one module from the row order of the base file to that of Hugging Face or of GGUF; `back` goes the
 * other way. Anything but q and k, and whatever lies in that order already, comes back as it is.
 */
export function reorderB<T extends Float32Array | Uint8Array>(
  b: T,
  module: Pick<LayoutModule, 'target' | 'rank'>,
  model: { readonly description: ModelDescription; readonly permutedQk: boolean },
  order: 'hf' | 'gguf',
  back = false,
): T {
  const heads = headsOf(model.description, module.target);
  if (heads === 0 || !differs(model.permutedQk, model.description, order)) return b;
  const map = interleavedFromHalf(heads, model.description.headDim);
  return moveRows(b, module.rank, map, (order === 'hf') !== back);
}
