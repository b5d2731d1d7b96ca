import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import type { EvalSplit } from '../contracts/evaluation.js';
import type { DescribeRequest, Description } from '../contracts/messages.js';
import { POOLED } from '../contracts/pooled.js';
import { templateSha256 } from '../data/index.js';
import { DataError } from '../errors.js';
import { divideCores } from '../links/cores.js';
import { createLink, type Link, type OwnerHome, type Tap } from '../links/index.js';
import { tokenizerSha256 } from '../model/index.js';
import { sampleSize } from '../server/sampling.js';
import { shown } from '../text.js';
import type { Prepared } from './prepare.js';
import { rankBudgets } from './ranks.js';

/** An owner of this run and the name of its folders. */
export interface OwnerFolder {
  readonly id: string;
  readonly folder: string;
}

/** An owner that has said what it has. */
export interface DescribedOwner extends OwnerFolder {
  readonly rank: number;
  readonly description: Description;
}

/** Folder of the owners' homes, and the one in which they leave what they take home until all are there. */
export const homesOf = (dir: string): string => join(dir, 'owners');
export const takeHomesOf = (dir: string): string => join(dir, 'adapters.tmp');

/** Home of the one that trains on the examples of all (`centralized`); no owner's folder has a dot in its name. */
export const POOLED_FOLDER = 'pooled.all';

/** Workers and threads of a run on this machine. */
export function cpusOf(config: RunConfig, numOwners: number): { workers: number; threads: number } {
  return divideCores({
    workers: config.workers,
    threads: config.threads,
    clientsPerRound: sampleSize(numOwners, config),
    cores: availableParallelism(),
  });
}

/** The homes of a run folder's owners, and that of the one who stands for all (`pooled`). */
export function ownerHomes(dir: string, owners: readonly OwnerFolder[], pooled: boolean): OwnerHome[] {
  const home = (folder: string) => join(homesOf(dir), folder);
  const own = owners.map(({ id, folder }) => ({ id, home: home(folder), takeHome: join(takeHomesOf(dir), folder) }));
  if (!pooled) return own;
  const all = { id: POOLED, home: home(POOLED_FOLDER), takeHome: join(takeHomesOf(dir), POOLED_FOLDER) };
  return [...own, { ...all, pooledFrom: own.map((owner) => owner.home) }];
}

/** Opens the link to the owners whose homes are in the run folder. */
export function linkOwners(
  { config, model, method }: Prepared,
  dir: string,
  owners: readonly OwnerFolder[],
  { tap }: { readonly tap?: Tap } = {},
): Link {
  return createLink(config.runtime as Exclude<RunConfig['runtime'], 'nats'>, {
    homes: ownerHomes(dir, owners, method.capabilities.pooled === true),
    model,
    ...cpusOf(config, owners.length),
    ...(tap ? { tap } : {}),
  });
}

/**
 * The owners with fewer training examples than a run asks of each, which `on_small_owner: drop` lets stay out. Throws DataError
 * TOO_FEW_EXAMPLES where it says `error`, or where nobody would be left.
 */
export function smallOwners(config: RunConfig, owners: readonly DescribedOwner[]): DescribedOwner[] {
  const needed = Math.min(config.min_examples, config.max_train_examples ?? config.min_examples);
  const small = owners.filter(({ description }) => description.train.examples < needed);
  if (small.length === 0 || (config.on_small_owner === 'drop' && small.length < owners.length)) return small;
  const listed = small.slice(0, 5).map(({ id, description }) => `${shown(id)} (${description.train.examples})`);
  const numLong = small.reduce((sum, { description }) => sum + description.dropped.long, 0);
  const isDrawn =
    config.num_clients !== null || !['natural', 'category', 'column', 'domain'].includes(config.partition);
  const fewer = `Lower ${isDrawn ? 'num_clients or ' : ''}min_examples, or leave them out with on_small_owner: drop.`;
  const long =
    config.on_long === 'truncate'
      ? `${numLong} of their examples have prompts that fill seq_length ${config.seq_length}; raise it.`
      : `${numLong} of their examples do not fit into seq_length ${config.seq_length}; raise it, or set on_long: truncate.`;
  throw new DataError(
    'TOO_FEW_EXAMPLES',
    `Expected ${needed} training examples or more of every owner, but ${small.length} have fewer: ` +
      `${listed.join(', ')}${small.length > 5 ? ', \u2026' : ''}. ${numLong > 0 ? long : fewer}`,
  );
}

/** What owners are asked first, each with its own rank. */
export async function describeRequests(
  { config, model }: Prepared,
  givenSplits: readonly EvalSplit[],
): Promise<(rank: number) => DescribeRequest> {
  const digests = {
    baseSha256: model.sha256,
    tokenizerSha256: await tokenizerSha256(model),
    templateSha256: await templateSha256(config.template),
  };
  return (rank) => ({ kind: 'describe', config, ...digests, rank, givenSplits });
}

/**
 * Lets every owner open its data and say what it has. Throws what an owner throws (DataError, ModelError, ...) unless `leaveOut` says that
 * the run does without it, ConfigError for ranks that fit no owner. `ranks`: those of an earlier call, where not all of its owners are here.
 */
export async function describeOwners(
  prepared: Prepared,
  link: Link,
  owners: readonly OwnerFolder[],
  givenSplits: readonly EvalSplit[],
  ranks: ReadonlyMap<string, number> = rankBudgets(
    owners.map(({ id }) => id),
    prepared.layout,
    prepared.config,
  ),
  leaveOut: (id: string, error: unknown) => boolean = () => false,
): Promise<DescribedOwner[]> {
  const request = await describeRequests(prepared, givenSplits);
  const describe = async (id: string, rank: number): Promise<Description> => (await link.ask(id, request(rank))).reply;
  const described = await Promise.all(
    owners.map(async (owner) => {
      const rank = ranks.get(owner.id)!;
      try {
        return [{ ...owner, rank, description: await describe(owner.id, rank) }];
      } catch (error) {
        if (leaveOut(owner.id, error)) return [];
        throw error;
      }
    }),
  );
  if (prepared.method.capabilities.pooled) await describe(POOLED, prepared.config.lora_r);
  return described.flat();
}

/** Owners as events.jsonl names them when they come. */
export const startClients = (owners: readonly DescribedOwner[], { runtime }: RunConfig) =>
  owners.map(({ id, description: { train, kernels } }) => ({
    ...{ id, numTrain: train.examples },
    ...(runtime === 'nats' ? { kernels } : {}),
  }));

/** sha256 over the ids and the data of all owners: equal data gives an equal hash. */
export function dataDigest(owners: readonly DescribedOwner[]): string {
  const hash = createHash('sha256');
  for (const { id, description } of owners) hash.update(JSON.stringify([id, description.dataSha256]));
  return hash.digest('hex');
}
