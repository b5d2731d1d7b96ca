import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Adapter, makeLayout, TARGETS, type Target } from '../../../src/adapter/layout.js';
import { type GgufTensor, ggufFloat32, ggufString, ggufUint32, writeGguf } from '../../../src/export/ggufFile.js';
import type { ExportModel } from '../../../src/export/types.js';
import { describeGguf } from '../../../src/model/gguf/describe.js';
import { readGgufHeader } from '../../../src/model/gguf/header.js';

export const SHAPE = { layers: 2, hidden: 32, heads: 4, kvHeads: 2, headDim: 8, ffn: 64, vocab: 40 } as const;

/** Deterministic numbers in [-1, 1). */
export function numbers(count: number, seed: number): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'fedtune-export-'));

function tensorList(): [string, number[]][] {
  const { layers, hidden, heads, kvHeads, headDim, ffn, vocab } = SHAPE;
  const list: [string, number[]][] = [
    ['token_embd.weight', [hidden, vocab]],
    ['output_norm.weight', [hidden]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const shapes: Record<string, number[]> = {
      attn_norm: [hidden],
      attn_q: [hidden, heads * headDim],
      attn_k: [hidden, kvHeads * headDim],
      attn_v: [hidden, kvHeads * headDim],
      attn_output: [heads * headDim, hidden],
      ffn_norm: [hidden],
      ffn_gate: [hidden, ffn],
      ffn_up: [hidden, ffn],
      ffn_down: [ffn, hidden],
    };
    for (const [name, ne] of Object.entries(shapes)) list.push([`blk.${layer}.${name}.weight`, ne]);
  }
  return list;
}

/** Writes a llama of random F32 weights (or other bytes, by `encode`) and describes it. */
export async function makeModel(
  folder: string,
  architecture: 'llama' | 'qwen3' = 'llama',
  encode?: { type: number; bytes(values: Float32Array): Uint8Array },
): Promise<ExportModel> {
  const path = join(folder, `${architecture}.gguf`);
  const list = tensorList();
  if (architecture === 'qwen3') {
    for (let layer = 0; layer < SHAPE.layers; layer++) {
      list.push(
        [`blk.${layer}.attn_q_norm.weight`, [SHAPE.headDim]],
        [`blk.${layer}.attn_k_norm.weight`, [SHAPE.headDim]],
      );
    }
  }
  const tensors = list.map(([name, ne], i): GgufTensor => {
    const values = numbers(
      ne.reduce((a, b) => a * b, 1),
      i + 1,
    );
    const plain = new Uint8Array(values.buffer);
    const data = encode !== undefined && ne.length === 2 ? encode.bytes(values) : plain;
    return { name, ne, type: data === plain ? 0 : encode!.type, bytes: data.length, data: () => data };
  });
  const key = (name: string) => `${architecture}.${name}`;
  await writeGguf(
    path,
    {
      'general.architecture': ggufString(architecture),
      'general.name': ggufString('fixture'),
      [key('context_length')]: ggufUint32(64),
      [key('embedding_length')]: ggufUint32(SHAPE.hidden),
      [key('block_count')]: ggufUint32(SHAPE.layers),
      [key('feed_forward_length')]: ggufUint32(SHAPE.ffn),
      [key('attention.head_count')]: ggufUint32(SHAPE.heads),
      [key('attention.head_count_kv')]: ggufUint32(SHAPE.kvHeads),
      [key('attention.layer_norm_rms_epsilon')]: ggufFloat32(1e-5),
      [key('attention.key_length')]: ggufUint32(SHAPE.headDim),
    },
    tensors,
  );
  const description = await describeGguf(await readGgufHeader(path));
  return { name: 'fixture', path, format: 'gguf', description, permutedQk: architecture === 'llama' };
}

/** An adapter of random values on all modules; `rank` and `scale` may differ from module to module. */
export function makeAdapter(
  model: ExportModel,
  rank: (layer: number, target: Target) => number = () => 2,
  scale: (layer: number, target: Target) => number = () => 2,
): Adapter {
  const layout = makeLayout(
    Array.from({ length: SHAPE.layers }, (_, layer) =>
      TARGETS.filter((target) => rank(layer, target) > 0).map((target) => {
        const module = `blk.${layer}.${target}`;
        const { ne } = model.description.tensors.find(({ name }) => name === `${module}.weight`)!;
        const shape = { inDim: ne[0]!, outDim: ne[1]! };
        return { module, layer, target, ...shape, rank: rank(layer, target), scale: scale(layer, target) };
      }),
    ).flat(),
  );
  return { layout, values: numbers(layout.size, 99), mask: null };
}

/** s B A of each module, by name: what an adapter computes, whatever its ranks. */
export function products(adapter: Adapter): Record<string, Float64Array> {
  const result: Record<string, Float64Array> = {};
  for (const { module, rank, inDim, outDim, scale, offsetA, offsetB } of adapter.layout.modules) {
    const product = new Float64Array(outDim * inDim);
    for (let o = 0; o < outDim; o++) {
      for (let r = 0; r < rank; r++) {
        for (let i = 0; i < inDim; i++) {
          product[o * inDim + i]! +=
            scale * adapter.values[offsetB + o * rank + r]! * adapter.values[offsetA + r * inDim + i]!;
        }
      }
    }
    result[module] = product;
  }
  return result;
}

/** Largest absolute difference between the products of two adapters on the same modules. */
export function distance(one: Adapter, two: Adapter): number {
  const [a, b] = [products(one), products(two)];
  const names = Object.keys(a);
  if (names.join() !== Object.keys(b).join()) return Number.POSITIVE_INFINITY;
  return Math.max(...names.map((name) => Math.max(...a[name]!.map((value, i) => Math.abs(value - b[name]![i]!)))));
}
