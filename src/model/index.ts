export { tokenizerSha256 } from './digest.js';
export { isPermutedInGguf } from './families.js';
export type { Download, HubOptions } from './hub/index.js';
export { loadModel, loadTokenizer } from './load.js';
export { hasSpecial, splitSpecial, type TextPart } from './tokenizer/special.js';
export type { DecodeOptions, EncodeOptions, Tokenizer } from './tokenizer/types.js';
export type { BaseModel, LoadModelOptions } from './types.js';
