import type { BaseModel } from '../model/types.js';

/** What an export needs to know of the base model. */
export type ExportModel = Pick<
  BaseModel,
  'name' | 'path' | 'format' | 'hubId' | 'revision' | 'description' | 'permutedQk'
>;

/** Turns `count` values of a ggml type into floats; the engine's `dequantize` fits. */
export type Dequantize = (type: number, bytes: Uint8Array, count: number) => Float32Array;

/** Encodes floats as a ggml type; the engine's `quantize` fits. */
export type Quantize = (type: number, values: Float32Array) => Uint8Array;
