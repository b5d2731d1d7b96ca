import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Document, isMap, type Scalar } from 'yaml';
import { type ConfigKey, type RunConfig, runConfigSchema } from './schema.js';

/** The schema that the build leaves in the package, for editors. */
const SCHEMA = fileURLToPath(new URL('../run.schema.json', import.meta.url));

/** Keys that a run file is begun with, in this order. */
const BEGUN: readonly ConfigKey[] = [
  ...(['model', 'data', 'partition', 'num_clients', 'method', 'also_local', 'num_rounds', 'local_steps'] as const),
  ...(['local_epochs', 'batch_size', 'learning_rate', 'lora_r', 'lora_alpha', 'seq_length', 'output_dir'] as const),
];

/**
 * A run file to begin with: what most runs set, and whatever is set to something else than its default (`set`), each key with what it
 * means. `folder` is the one that the file is for: its first line leads editors to the schema.
 */
export function beginRunFile(config: RunConfig, set: readonly ConfigKey[], folder: string): string {
  const keys = [...BEGUN, ...set.filter((key) => !BEGUN.includes(key))];
  const document = new Document(Object.fromEntries(keys.map((key) => [key, config[key]])));
  document.commentBefore =
    ` yaml-language-server: $schema=${relative(folder, SCHEMA).replaceAll('\\', '/')}\n` +
    ' A run of fedtune. `fedtune keys` lists every key with its default, docs/methods.md the methods and their options.';
  if (isMap(document.contents)) {
    document.contents.items.forEach(({ key }, i) => {
      const name = key as Scalar<ConfigKey>;
      name.commentBefore = ` ${runConfigSchema.shape[name.value].description}`;
      name.spaceBefore = i > 0;
    });
  }
  return document.toString({ lineWidth: 0 });
}
