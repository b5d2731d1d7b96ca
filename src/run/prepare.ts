import { createHash } from 'node:crypto';
import { initialValues } from '../adapter/init.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { layoutFor } from '../adapter/shapes.js';
import type { RunConfig } from '../config/schema.js';
import {
  type Example,
  loadExamples,
  readOptionsOf,
  resolveTemplate,
  type TokenizedExample,
  tokenizeExample,
  tokenizeOptionsOf,
} from '../data/index.js';
import { type BaseModel, type HubOptions, loadModel } from '../model/index.js';
import { byCode } from '../order.js';
import { ownerFolders, type Partition, partitionExamples } from '../partition/index.js';
import type { RunClient } from '../server/types.js';
import { rankBudgets } from './ranks.js';

/** A run before its first round: everything that follows from the configuration, the model and the data. */
export interface PreparedRun {
  readonly config: RunConfig;
  readonly model: BaseModel;
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter, equal for every client. */
  readonly initial: Float32Array;
  /** Sorted by id; their indices count in `tokenized`. */
  readonly clients: readonly RunClient[];
  readonly tokenized: readonly TokenizedExample[];
  /** Folder name of each client. */
  readonly folders: ReadonlyMap<string, string>;
  /** Training examples of each client by category, where examples have one. */
  readonly categories: ReadonlyMap<string, Readonly<Record<string, number>>>;
  readonly numExamples: number;
  readonly numDropped: number;
  /** Examples without the label that the partition goes by: they belong to no owner. */
  readonly numUnlabelled: number;
  readonly numBadRows: number;
  /** sha256 over ids, tokens and masks of all examples in use: equal data gives an equal hash. */
  readonly dataSha256: string;
}

function hashExamples(examples: readonly TokenizedExample[]): string {
  const hash = createHash('sha256');
  for (const { id, tokens, lossMask } of examples) {
    hash.update(JSON.stringify([id, tokens.length]));
    hash.update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    hash.update(lossMask);
  }
  return hash.digest('hex');
}

/** Puts the examples in use one after the other and lets the clients' indices count in that list. */
function compact(partition: Partition, tokenized: ReadonlyMap<number, readonly TokenizedExample[]>) {
  const used: TokenizedExample[] = [];
  const place = (index: number): number[] => tokenized.get(index)!.map((sequence) => used.push(sequence) - 1);
  const clients = partition.clients.map(({ id, train, valid, test }) => ({
    id,
    train: train.flatMap(place),
    valid: valid.flatMap(place),
    test: test.flatMap(place),
  }));
  return { used, clients };
}

function countCategories(examples: readonly Example[], indices: readonly number[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const index of indices) {
    const { category } = examples[index]!;
    if (category !== undefined) counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => byCode(a, b)));
}

const countTargets = (examples: readonly TokenizedExample[], indices: readonly number[]): number =>
  indices.reduce((sum, index) => sum + examples[index]!.lossMask.reduce((a, b) => a + b, 0), 0);

/**
 * Loads the model (header and tokenizer, not the weights) and the data, divides it and tokenises what is used.
 *
 * Throws ModelError, DataError, ConfigError or AdapterError.
 */
export async function prepareRun(config: RunConfig, hub: HubOptions = {}): Promise<PreparedRun> {
  const model = await loadModel(config.model, { ...hub, revision: config.model_revision });
  const template = await resolveTemplate(config.template, model);
  const { examples, numBadRows } = await loadExamples(config.data, { ...hub, ...readOptionsOf(config) });
  const tokenized = new Map<number, readonly TokenizedExample[]>();
  const tokenizeOptions = tokenizeOptionsOf(config, model, template);
  const fits = (index: number): boolean => {
    if (tokenized.has(index)) return true;
    const result = tokenizeExample(examples[index]!, tokenizeOptions);
    if ('dropped' in result) return false;
    tokenized.set(index, [result.example, ...result.more]);
    return true;
  };
  const partition = partitionExamples(examples, config, fits);
  const { used, clients } = compact(partition, tokenized);
  const layout = layoutFor(model.description, {
    targets: config.target_modules,
    rank: config.lora_r,
    alpha: config.lora_alpha,
    rslora: config.use_rslora,
  });
  const ids = clients.map(({ id }) => id);
  const ranks = rankBudgets(ids, layout, config);
  return {
    config,
    model,
    layout,
    initial: initialValues(layout, config.seed),
    clients: clients.map((client) => ({
      ...client,
      numTrain: client.train.length,
      numTargets: countTargets(used, client.train),
      rank: ranks.get(client.id)!,
    })),
    tokenized: used,
    folders: ownerFolders(ids),
    categories: new Map(partition.clients.map(({ id, train }) => [id, countCategories(examples, train)])),
    numExamples: examples.length,
    numDropped: partition.numDropped,
    numUnlabelled: partition.numUnlabelled,
    numBadRows,
    dataSha256: hashExamples(used),
  };
}
