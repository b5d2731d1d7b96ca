import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartitionRecord } from '../contracts/partition.js';
import { resolveTemplate, showExample, tokenizeExample, tokenizeOptionsOf } from '../data/index.js';
import { makeFolder } from '../files.js';
import type { Link, Tap } from '../links/index.js';
import type { HubOptions } from '../model/index.js';
import { Base } from '../native/engine.js';
import { orInterrupted } from '../server/train.js';
import type { Federation, LoopHost } from '../server/types.js';
import { sha256 } from '../sha256.js';
import { configFromHere } from './content.js';
import { type Deal, deal, writeHomes } from './deal.js';
import { makeFederation } from './federation.js';
import { RunFolder } from './folder.js';
import { openNewRemote, openRemoteAgain } from './openRemote.js';
import {
  cpusOf,
  type DescribedOwner,
  dataDigest,
  describeOwners,
  homesOf,
  linkOwners,
  POOLED_FOLDER,
  smallOwners,
} from './owners.js';
import { formatPartition, makePartition, readPartition } from './partitionRecord.js';
import type { Prepared } from './prepare.js';
import { checkQuestions } from './questions.js';
import { rankBudgets } from './ranks.js';
import { checkSameConfig, type RunInputs } from './resume.js';

/** A run whose folder is taken and whose owners answer. */
export interface OpenedFederation {
  readonly folder: RunFolder;
  readonly partition: PartitionRecord;
  readonly inputs: RunInputs;
  /** With those who have joined since, once they have. */
  federation: Federation;
  /** The owners in the run, with what they say of their data. */
  readonly owners: readonly DescribedOwner[];
  readonly link: Link;
  /** Takes in owners that have joined since, where there can be any: the federation with them, from the next round on. */
  readonly grow?: NonNullable<LoopHost['grow']>;
  /** The first example as it will be trained, for the screen alone; a run that goes on has none. */
  readonly firstExample: string | undefined;
  readonly workers: number;
  readonly threads: number;
  /** Ends the owners and lets go of folder and base. */
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** Ends the opening with InterruptedError; nothing is begun then. */
  readonly signal: AbortSignal;
  readonly tap?: Tap;
  /** Hears what owners on machines of their own are waited for. */
  readonly onStatus?: (text: string) => void;
  readonly hub?: HubOptions;
}

const idsOf = (owners: readonly { readonly id: string }[]): string[] => owners.map(({ id }) => id);

/** Tokens of the first example that are shown. */
const SHOWN_TOKENS = 160;

/** The first row of the first owner as it will be trained: seen before the rows go to their owners, and kept nowhere. */
async function showFirst({ config, model }: Prepared, { owners }: Deal): Promise<string | undefined> {
  const template = await resolveTemplate(config.template, model);
  const options = {
    ...tokenizeOptionsOf(config, model, template),
    onLong: 'truncate' as const,
    onBadRow: 'skip' as const,
  };
  for (const example of owners[0]?.examples.slice(0, 100) ?? []) {
    if (example.split !== undefined && example.split !== 'train') continue;
    const result = tokenizeExample(example, options);
    if (!('dropped' in result)) return showExample(result.example, model.tokenizer, { maxTokens: SHOWN_TOKENS });
  }
  return undefined;
}

/** What is the same of a new run and of one that goes on. */
export type Opened = Pick<
  OpenedFederation,
  'folder' | 'link' | 'owners' | 'partition' | 'federation' | 'firstExample' | 'grow'
>;

/** Deals the data out into a new run folder; what an earlier run left there goes when all owners have answered. */
async function openNew(prepared: Prepared, dir: string, options: OpenOptions): Promise<Opened> {
  const { overwrite, signal, hub } = options;
  const { config } = prepared;
  const dealt = await deal(config, hub);
  checkQuestions(config, idsOf(dealt.owners));
  const folder = await RunFolder.claim(dir, overwrite);
  let link: Link | undefined;
  try {
    await writeHomes(homesOf(dir), dealt);
    const firstExample = await showFirst(prepared, dealt);
    if (prepared.method.capabilities.pooled) await makeFolder(join(homesOf(dir), POOLED_FOLDER));
    link = linkOwners(prepared, dir, dealt.owners, options);
    let owners = await orInterrupted(describeOwners(prepared, link, dealt.owners, dealt.givenSplits), signal);
    const small = smallOwners(config, owners);
    if (small.length > 0) {
      // The others are asked anew, over a link that the small ones are not on; what they made of their rows is kept.
      const rest = owners.filter((owner) => !small.includes(owner));
      checkQuestions(config, idsOf(rest), idsOf(small));
      await link.close();
      for (const { folder: name } of small) await rm(join(homesOf(dir), name), { recursive: true, force: true });
      link = linkOwners(prepared, dir, rest, options);
      const ranks = new Map(rest.map(({ id, rank }) => [id, rank]));
      owners = await orInterrupted(describeOwners(prepared, link, rest, dealt.givenSplits, ranks), signal);
    }
    const partition = makePartition(config, dealt, owners, small);
    // A method may refuse these owners; the run before goes only once nothing does.
    const federation = makeFederation(prepared, owners);
    await folder.begin(config, formatPartition(partition));
    return { folder, link, owners, partition, federation, firstExample };
  } catch (error) {
    await link?.close();
    await folder.abandon();
    throw error;
  }
}

/** Goes back to the owners of a run that was begun: they have their rows. */
async function openAgain(prepared: Prepared, dir: string, options: OpenOptions): Promise<Opened> {
  const { signal } = options;
  const folder = await RunFolder.open(dir);
  let link: Link | undefined;
  try {
    // Before any owner is asked: with other settings it would prepare its data anew.
    checkSameConfig(await configFromHere(dir), prepared.config);
    const partition = await readPartition(dir);
    const { clients, left_out, given_splits } = partition;
    checkQuestions(prepared.config, idsOf(clients), idsOf(left_out));
    link = linkOwners(prepared, dir, clients, options);
    // A list of ranks counts the owners that stay out as well.
    const ids = idsOf([...clients, ...left_out]);
    const ranks = rankBudgets(ids, prepared.layout, prepared.config);
    const owners = await orInterrupted(describeOwners(prepared, link, clients, given_splits, ranks), signal);
    const federation = makeFederation(prepared, owners);
    return { folder, link, owners, partition, federation, firstExample: undefined };
  } catch (error) {
    await link?.close();
    await folder.close();
    throw error;
  }
}

/**
 * Takes the run folder, lets the owners open their data, and makes the federation of them. Throws DataError, ConfigError,
 * EngineError, RunError; nothing is written, and nothing of an earlier run lost, where it throws.
 */
export async function openFederation(prepared: Prepared, dir: string, options: OpenOptions): Promise<OpenedFederation> {
  const { config, model } = prepared;
  // Held by this thread, so that worker threads share the weights and errors show before any of them starts.
  const base =
    config.runtime === 'threads'
      ? new Base({ description: model.description, precision: config.precision, kernels: config.kernels })
      : undefined;
  try {
    const [fresh, again] = config.runtime === 'nats' ? [openNewRemote, openRemoteAgain] : [openNew, openAgain];
    const opened = await (options.resume ? again : fresh)(prepared, dir, options);
    const { folder, link, owners, partition } = opened;
    return {
      ...opened,
      ...cpusOf(config, owners.length),
      inputs: {
        partitionSha256: sha256(formatPartition(partition)),
        modelSha256: model.sha256,
        dataSha256: dataDigest(owners),
        kernels: owners[0]!.description.kernels,
      },
      close: async () => {
        await link.close();
        base?.dispose();
        await folder.close();
      },
    };
  } catch (error) {
    base?.dispose();
    throw error;
  }
}
