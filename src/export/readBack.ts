import { type FileHandle, open } from 'node:fs/promises';
import { type Adapter, HF_NAMES, type LayoutModule } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { GGML_BF16, GGML_F16, GGML_F32 } from '../model/gguf/types.js';
import type { ModelDescription } from '../native/binding.js';
import { randomStream } from '../random.js';
import { readBytes } from './mergeWeights.js';
import { factors } from './modules.js';
import type { Dequantize } from './types.js';

/** Relative difference that folding a scale into B may make in f32. */
const TOLERANCE = 1e-5;

/** Throws AdapterError READ_BACK where what is in a file is not the adapter that was written. */
export function checkReadBack(written: Adapter, read: Adapter, path: string): void {
  const modules = new Map(read.layout.modules.map((module) => [module.module, module]));
  for (const module of written.layout.modules) {
    const other = modules.get(module.module);
    const wrong = (what: string) =>
      new AdapterError(
        'READ_BACK',
        `${path} does not hold what was written: ${module.module} (${HF_NAMES[module.target]}) ${what}. The disk may be faulty; export again.`,
      );
    if (other === undefined || other.rank !== module.rank) throw wrong('is missing or has another rank');
    const [mine, theirs] = [factors(written.values, module), factors(read.values, other)];
    if (mine.a.some((value, i) => value !== theirs.a[i])) throw wrong('has another A');
    const near = mine.b.every((value, i) => {
      const [x, y] = [value * module.scale, theirs.b[i]! * other.scale];
      return Math.abs(x - y) <= TOLERANCE * Math.abs(x);
    });
    if (!near) throw wrong('has another B');
  }
  if (modules.size !== written.layout.modules.length) {
    throw new AdapterError(
      'READ_BACK',
      `${path} holds ${modules.size} modules but ${written.layout.modules.length} were written.`,
    );
  }
}

/** Largest relative error of rounding to a type; other types round by the largest weight of a block. */
const ROUNDING: Readonly<Record<number, number>> = { [GGML_F32]: 2 ** -24, [GGML_F16]: 2 ** -11, [GGML_BF16]: 2 ** -9 };
const BLOCK_ROUNDING = 1 / 254;
/** Standard deviations of a sum of rounding errors that are let through. */
const DEVIATIONS = 8;

const dot = (row: Float32Array, x: Float64Array): number => row.reduce((sum, value, i) => sum + value * x[i]!, 0);

/** What rounding `row` may change in its product with signs. */
function roundingOf(type: number, row: Float32Array): number {
  const relative = ROUNDING[type];
  const square = row.reduce((sum, value) => sum + (relative === undefined ? 0 : value * value), 0);
  const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error =
    relative === undefined ? BLOCK_ROUNDING * largest * Math.sqrt(row.length) : relative * Math.sqrt(square);
  // The last term: halves below 2^-14 have fewer digits, and the merge itself rounds to f32.
  return DEVIATIONS * (error + 2 ** -25 * Math.sqrt(row.length) * (type === GGML_F16 ? 1 : largest));
}

/** The first row of a module that is not W + s B A, asked on a vector of signs; -1: none. */
function wrongRow(
  { inDim, outDim, rank, scale, module }: LayoutModule,
  { a, b }: { a: Float32Array; b: Float32Array },
  [before, after]: readonly Float32Array[],
  type: number,
): number {
  const random = randomStream(1, module);
  const x = Float64Array.from({ length: inDim }, () => (random() < 0.5 ? -1 : 1));
  const ax = Float64Array.from({ length: rank }, (_, r) => dot(a.subarray(r * inDim, (r + 1) * inDim), x));
  return Array.from({ length: outDim }, (_, o) => {
    const rows = [before!, after!].map((weights) => weights.subarray(o * inDim, (o + 1) * inDim));
    const expected = dot(rows[0]!, x) + scale * dot(b.subarray(o * rank, (o + 1) * rank), ax);
    return Math.abs(dot(rows[1]!, x) - expected) <= roundingOf(type, rows[1]!);
  }).indexOf(false);
}

/**
 * Throws AdapterError READ_BACK where the weights of a merged model are not those of its base with s B A added. One module at a time
 * is in memory; tried on one vector a module, which an error passes as likely as a lottery ticket wins.
 */
export async function checkMerged(
  adapter: Adapter,
  base: ModelDescription,
  merged: ModelDescription,
  dequantize: Dequantize,
): Promise<void> {
  const sides: { tensors: ModelDescription['tensors']; files: FileHandle[] }[] = [];
  try {
    for (const { tensors, files } of [base, merged]) {
      const side = { tensors, files: [] as FileHandle[] };
      sides.push(side);
      for (const path of files) side.files.push(await open(path, 'r'));
    }
    for (const module of adapter.layout.modules) {
      const sources = sides.map(({ tensors }) => tensors.find(({ name }) => name === `${module.module}.weight`)!);
      const weights: Float32Array[] = [];
      for (const [i, source] of sources.entries())
        weights.push(dequantize(source.type, await readBytes(sides[i]!.files, source), module.inDim * module.outDim));
      const row = wrongRow(module, factors(adapter.values, module), weights, sources[1]!.type);
      if (row < 0) continue;
      throw new AdapterError(
        'READ_BACK',
        `${merged.files[0]} does not hold what was merged: row ${row} of ${module.module}. The disk may be faulty; export again.`,
      );
    }
  } finally {
    for (const { files } of sides) for (const file of files) await file.close();
  }
}
