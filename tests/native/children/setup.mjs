// What the scripts of this folder share. They run in a process of their own on the built library (dist/), since what they
// try would end the process where the engine is at fault.
import { fileURLToPath } from 'node:url';
import { loadModel } from '../../../dist/model/index.js';

export const { description } = await loadModel(
  fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url)),
);
export const modules = [{ module: 'blk.0.attn_q', rank: 2, scale: 1 }];

/** A batch of sequences of 100 tokens. */
export function batch(sequences) {
  const count = 100 * sequences;
  return {
    tokens: new Int32Array(count).map((_, i) => 5 + (i % 50)),
    lossMask: new Uint8Array(count).fill(1),
    lengths: new Int32Array(sequences).fill(100),
  };
}
