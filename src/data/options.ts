import type { RunConfig } from '../config/schema.js';
import type { BaseModel } from '../model/index.js';
import type { PromptTemplate } from './templates/types.js';
import type { TokenizeOptions } from './tokenize.js';
import type { ReadOptions } from './types.js';

/** How the data of a run is read, by its configuration. */
export function readOptionsOf(config: RunConfig): ReadOptions {
  return {
    format: config.data_format,
    columns: config.columns,
    encoding: config.encoding,
    onBadRow: config.on_bad_row,
    revision: config.data_revision,
    ...(config.partition === 'column' && config.partition_column !== null
      ? { labelColumn: config.partition_column }
      : {}),
  };
}

/** How the examples of a run become tokens. */
export function tokenizeOptionsOf(
  config: RunConfig,
  model: Pick<BaseModel, 'tokenizer' | 'description'>,
  template: PromptTemplate,
): TokenizeOptions {
  return {
    tokenizer: model.tokenizer,
    template,
    seqLength: Math.min(config.seq_length, model.description.contextLength),
    onLong: config.on_long,
    trainOn: config.train_on,
    onBadRow: config.on_bad_row,
  };
}
