export { readGgufAdapter, writeGgufAdapter } from './ggufAdapter.js';
export { LlamaCpp, llamaCppAnswers, type Speaker } from './llamaCpp.js';
export { type MergeOptions, writeMergedGguf } from './merged.js';
export type { PeftOptions } from './peftConfig.js';
export { checkReadBack } from './readBack.js';
export { readPeftAdapter } from './readPeft.js';
export type { Dequantize, ExportModel } from './types.js';
export { writePeftAdapter } from './writePeft.js';
