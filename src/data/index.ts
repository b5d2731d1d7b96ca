export { type DataFile, resolveDataFiles } from './files.js';
export { DATA_FORMATS, detectFormat } from './formats.js';
export { exampleLines } from './lines.js';
export { readOptionsOf, tokenizeOptionsOf } from './options.js';
export { microBatches, packBatch } from './pack.js';
export { loadExamples, readExamples } from './read.js';
export { contentHash } from './sameness.js';
export { type ShowOptions, showExample } from './show.js';
export { type DataSummary, DataTally, describeSummary, mergeSummaries, type Reason } from './summary.js';
export { type OllamaTemplate, ollamaTemplate } from './templates/ollama.js';
export { resolveTemplate, TEMPLATE_IDS, templateSha256 } from './templates/resolve.js';
export type { PromptTemplate, Segment } from './templates/types.js';
export {
  encodeSegments,
  promptTokens,
  questionTokens,
  type TokenizedData,
  type TokenizeFacts,
  type TokenizeOptions,
  type TokenizeResult,
  tokenizeExample,
  tokenizeExamples,
} from './tokenize.js';
export type {
  BadRow,
  Columns,
  DataFormat,
  Example,
  LoadedData,
  Message,
  ReadOptions,
  Role,
  Split,
  TokenizedExample,
  ToolCall,
} from './types.js';
