import { availableParallelism } from 'node:os';
import type { Arithmetic } from '../merge/arithmetic.js';
import { gram, maskOverlaps, mergeMean, sortedMean, squaredDistances } from '../native/merges.js';

const threads = availableParallelism();

/** The engine's sums over many adapters, on all cores; equal to the plain ones to the bit. */
export const nativeArithmetic: Arithmetic = {
  mean: (rows, fallback) => mergeMean(rows, fallback, threads),
  sortedMean: (rows, fallback, cutOf) => sortedMean(rows, fallback, cutOf, threads),
  gram: (rows, options) => gram(rows, { ...options, threads }),
  squaredDistances: (rows) => squaredDistances(rows, threads),
  maskOverlaps: (masks, length) => maskOverlaps(masks, length, threads),
};
