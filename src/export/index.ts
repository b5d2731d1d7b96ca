export { readGgufAdapter, writeGgufAdapter } from './ggufAdapter.js';
export { type LlamaCppParams, llamaCppAnswers } from './llamaCpp.js';
export { type MergeOptions, writeMergedGguf } from './merged.js';
export type { PeftConfig, PeftOptions } from './peftConfig.js';
export { readPeftAdapter } from './readPeft.js';
export { stackAdapters } from './stack.js';
export type { Dequantize, ExportModel } from './types.js';
export { PEFT_CONFIG, PEFT_MASK, PEFT_WEIGHTS, writePeftAdapter } from './writePeft.js';
