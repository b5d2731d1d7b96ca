import type { FileHandle } from 'node:fs/promises';
import type { Adapter, LayoutModule } from '../adapter/layout.js';
import { ModelError } from '../errors.js';
import type { TensorSource } from '../native/binding.js';
import { factors } from './modules.js';
import type { Dequantize } from './types.js';

/** weights (out x in) += s B A, one row after the other. */
function addProduct(weights: Float32Array, adapter: Adapter, module: LayoutModule): void {
  const { inDim, outDim, rank, scale } = module;
  const { a, b } = factors(adapter.values, module);
  const row = new Float64Array(inDim);
  for (let o = 0; o < outDim; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[o * rank + r]!;
      if (factor === 0) continue;
      for (let i = 0; i < inDim; i++) row[i] = row[i]! + factor * a[r * inDim + i]!;
    }
    for (let i = 0; i < inDim; i++) weights[o * inDim + i] = weights[o * inDim + i]! + row[i]!;
  }
}

/** The bytes of one tensor. Throws ModelError TRUNCATED. */
export async function readBytes(files: readonly FileHandle[], tensor: TensorSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(tensor.bytes);
  const { bytesRead } = await files[tensor.file]!.read(bytes, 0, tensor.bytes, tensor.offset);
  if (bytesRead === tensor.bytes) return bytes;
  throw new ModelError('TRUNCATED', `The base ends inside tensor "${tensor.name}". Download it again.`);
}

/** W + s B A of one module, in f32. Throws ModelError TRUNCATED. */
export async function mergedValues(
  files: readonly FileHandle[],
  source: TensorSource,
  adapter: Adapter,
  module: LayoutModule,
  dequantize: Dequantize,
): Promise<Float32Array> {
  const weights = dequantize(source.type, await readBytes(files, source), module.inDim * module.outDim);
  addProduct(weights, adapter, module);
  return weights;
}
