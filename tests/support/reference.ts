import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Folder of the shared test material beside the checkout; absent for users. */
const reference = process.env.FEDTUNE_REFERENCE;
export const sharedDir = reference === undefined ? join(here, '..', '..', '..', 'shared') : dirname(reference);
export const referenceDir = reference ?? join(sharedDir, 'reference');

/** float64 PyTorch golden values of one model: see the README of the shared material. */
export interface Golden {
  readonly model: string;
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
  readonly sequences: readonly { readonly tokens: readonly number[]; readonly mask: readonly number[] }[];
  readonly base_loss: number;
  readonly base_nll: readonly (readonly number[])[];
  readonly loss: number;
  readonly nll: readonly (readonly number[])[];
  readonly adamw: {
    readonly lr: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weight_decay: number;
    readonly steps: number;
  };
  readonly losses: readonly number[];
}

/** Names of the folders below the reference folder that hold a golden.json. */
export function goldenCases(): string[] {
  if (!existsSync(referenceDir)) return [];
  return readdirSync(referenceDir)
    .filter((name) => existsSync(join(referenceDir, name, 'golden.json')))
    .sort();
}

export function readGolden(name: string): Golden {
  return JSON.parse(readFileSync(join(referenceDir, name, 'golden.json'), 'utf8')) as Golden;
}

export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** F32 and F64 tensors of a safetensors file, as f32. */
export function readTensors(path: string): Map<string, Tensor> {
  const bytes = readFileSync(path);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerSize).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const out = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const part = bytes.subarray(8 + headerSize + data_offsets[0], 8 + headerSize + data_offsets[1]);
    const copy = part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength);
    const values = dtype === 'F64' ? Float32Array.from(new Float64Array(copy)) : new Float32Array(copy);
    if (dtype !== 'F64' && dtype !== 'F32') throw new Error(`Expected F32 or F64 in ${path} but received ${dtype}`);
    out.set(name, { shape, values });
  }
  return out;
}
