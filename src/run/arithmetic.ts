import { availableParallelism } from 'node:os';
import type { Arithmetic } from '../merge/arithmetic.js';
import * as merges from '../native/merges.js';

const threads = availableParallelism();

/** The engine's sums over many adapters, on all cores; equal to the plain ones to the bit. */
export const nativeArithmetic: Arithmetic = {
  mean: (rows, fallback) => merges.mergeMean(rows, fallback, threads),
  addRow: merges.addRow,
  sortedMean: (rows, fallback, cutOf) => merges.sortedMean(rows, fallback, cutOf, threads),
  gram: (rows, options) => merges.gram(rows, { ...options, threads }),
  squaredDistances: (rows) => merges.squaredDistances(rows, threads),
  maskOverlaps: (masks, length) => merges.maskOverlaps(masks, length, threads),
  addCombination: (base, terms, ranges, scale) => merges.addCombination(base, terms, ranges, scale, threads),
  sumCombinations: (combinations, ranges, length) => merges.sumCombinations(combinations, ranges, length, threads),
  productSum: (summands, outDim, inDim) => merges.productSum(summands, outDim, inDim, threads),
  productNorms: (values, modules) => merges.productNorms(values, modules, threads),
};
