import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readRunConfig } from '../config/ofRun.js';
import type { RunConfig } from '../config/schema.js';
import type { Description } from '../contracts/messages.js';
import { PARTITION_VERSION, type PartitionRecord } from '../contracts/partition.js';
import { resolveTemplate, showExample, tokenizeExample, tokenizeOptionsOf } from '../data/index.js';
import { RunError } from '../errors.js';
import { makeFolder } from '../files.js';
import type { Link, Tap } from '../links/index.js';
import { methodOf } from '../methods/index.js';
import type { ServerInit } from '../methods/method.js';
import type { HubOptions } from '../model/index.js';
import { Base } from '../native/engine.js';
import { orInterrupted } from '../server/train.js';
import type { Federation, RunClient } from '../server/types.js';
import { nativeArithmetic } from './arithmetic.js';
import { type Deal, deal, writeHomes } from './deal.js';
import { RunFolder, runFile } from './folder.js';
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
import type { Prepared } from './prepare.js';
import { rankBudgets } from './ranks.js';
import { checkSameConfig, type RunInputs } from './resume.js';

/** A run whose folder is taken and whose owners answer. */
export interface OpenedFederation {
  readonly folder: RunFolder;
  readonly partition: PartitionRecord;
  readonly inputs: RunInputs;
  readonly federation: Federation;
  /** What the owners in the run say of their data. */
  readonly descriptions: readonly Description[];
  readonly link: Link;
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
  readonly hub?: HubOptions;
}

/** Tokens of the first example that are shown. */
const SHOWN_TOKENS = 160;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const formatPartition = (record: PartitionRecord): string => `${JSON.stringify(record, null, 1)}\n`;

/** What partition.json of a run that was begun says. Throws RunError STATE_DAMAGED. */
export async function readPartition(dir: string): Promise<PartitionRecord> {
  const path = runFile(dir, 'partition.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PartitionRecord;
  } catch (cause) {
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing, torn or was altered. Put it back, or start the run anew.`,
      { cause },
    );
  }
}

function makePartition(
  { partition: kind }: RunConfig,
  { numExamples, numBadRows, numUnlabelled, givenSplits, reading }: Omit<Deal, 'owners'>,
  owners: readonly (DescribedOwner & { readonly rows: number })[],
  leftOut: readonly DescribedOwner[],
): PartitionRecord {
  return {
    version: PARTITION_VERSION,
    kind,
    num_examples: numExamples,
    num_bad_rows: numBadRows,
    num_unlabelled: numUnlabelled,
    given_splits: givenSplits,
    reading,
    left_out: leftOut.map(({ id, description }) => ({ id, train: description.train.examples })),
    clients: owners.map(({ id, folder, rows, description: d }) => ({
      id,
      folder,
      rows,
      train: d.train.examples,
      valid: d.valid.examples,
      test: d.test.examples,
      targets: d.train.targets,
      categories: d.categories,
      dropped: Object.values(d.dropped).reduce((a, b) => a + b, 0),
      dropped_why: d.dropped,
      cut: d.numCut,
      targets_used: d.train.targets + d.valid.targets + d.test.targets,
      targets_lost: d.numTargetsLost,
    })),
  };
}

/** The server's halves over the owners as they described themselves. */
export function makeFederation(prepared: Prepared, owners: readonly DescribedOwner[]): Federation {
  const { config, method, options, layout, initial } = prepared;
  const clients = owners.map(
    ({ id, rank, description: d }): RunClient => ({
      id,
      rank,
      numTrain: d.train.examples,
      numTargets: d.train.targets,
      numValid: d.valid.examples,
      numTest: d.test.examples,
    }),
  );
  const init: Omit<ServerInit<unknown>, 'options'> = {
    merge: config,
    layout,
    initial,
    clients,
    seed: config.seed,
    numRounds: config.num_rounds,
    arithmetic: nativeArithmetic,
  };
  const withLocal = config.also_local && method.id !== 'local';
  return {
    config,
    clients,
    capabilities: method.capabilities,
    arms: {
      main: method.server({ ...init, options }),
      ...(withLocal ? { local: methodOf('local').server({ ...init, options: {} }) } : {}),
    },
  };
}

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

/** Deals the data out into a new run folder; what an earlier run left there goes when all owners have answered. */
async function openNew(prepared: Prepared, dir: string, options: OpenOptions) {
  const { config } = prepared;
  const dealt = await deal(config, options.hub);
  const folder = await RunFolder.claim(dir, options.overwrite);
  let link: Link | undefined;
  try {
    await writeHomes(homesOf(dir), dealt);
    const firstExample = await showFirst(prepared, dealt);
    if (prepared.method.capabilities.pooled) await makeFolder(join(homesOf(dir), POOLED_FOLDER));
    link = linkOwners(prepared, dir, dealt.owners, options.tap);
    let described = await orInterrupted(
      describeOwners(prepared, link, dealt.owners, dealt.givenSplits),
      options.signal,
    );
    const small = smallOwners(config, described);
    if (small.length > 0) {
      // The others are asked anew, over a link that the small ones are not on; what they made of their rows is kept.
      const rest = described.filter((owner) => !small.includes(owner));
      await link.close();
      for (const { folder: name } of small) await rm(join(homesOf(dir), name), { recursive: true, force: true });
      link = linkOwners(prepared, dir, rest, options.tap);
      const ranks = new Map(rest.map(({ id, rank }) => [id, rank]));
      const again = describeOwners(prepared, link, rest, dealt.givenSplits, ranks);
      described = await orInterrupted(again, options.signal);
    }
    const rows = new Map(dealt.owners.map(({ id, examples }) => [id, examples.length]));
    const owners = described.map((owner) => ({ ...owner, rows: rows.get(owner.id)! }));
    const partition = makePartition(config, dealt, owners, small);
    await folder.begin(config, formatPartition(partition));
    return { folder, link, owners, partition, firstExample };
  } catch (error) {
    await link?.close();
    await folder.abandon();
    throw error;
  }
}

/** Goes back to the owners of a run that was begun: they have their rows. */
async function openAgain(prepared: Prepared, folder: RunFolder, options: OpenOptions) {
  // Before any owner is asked: with other settings it would prepare its data anew.
  checkSameConfig(await readRunConfig(folder.dir), prepared.config);
  const before = await readPartition(folder.dir);
  const link = linkOwners(prepared, folder.dir, before.clients, options.tap);
  try {
    // A list of ranks counts the owners that stay out as well.
    const ids = [...before.clients, ...before.left_out].map(({ id }) => id);
    const ranks = rankBudgets(ids, prepared.layout, prepared.config);
    const asked = describeOwners(prepared, link, before.clients, before.given_splits, ranks);
    const described = await orInterrupted(asked, options.signal);
    const rows = new Map(before.clients.map((client) => [client.id, client.rows]));
    const owners = described.map((owner) => ({ ...owner, rows: rows.get(owner.id)! }));
    return { folder, link, owners, partition: before, firstExample: undefined };
  } catch (error) {
    await link.close();
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
  let folder: RunFolder | undefined;
  try {
    folder = options.resume ? await RunFolder.open(dir) : undefined;
    const opened = await (folder ? openAgain(prepared, folder, options) : openNew(prepared, dir, options));
    const { link, owners, partition, firstExample } = opened;
    const inputs: RunInputs = {
      partitionSha256: sha256(formatPartition(partition)),
      modelSha256: model.sha256,
      dataSha256: dataDigest(owners),
      kernels: owners[0]!.description.kernels,
    };
    const close = async () => {
      await link.close();
      base?.dispose();
      await opened.folder.close();
    };
    const federation = makeFederation(prepared, owners);
    const cpus = cpusOf(config, owners.length);
    const descriptions = owners.map(({ description }) => description);
    return { ...cpus, folder: opened.folder, partition, inputs, federation, descriptions, link, firstExample, close };
  } catch (error) {
    base?.dispose();
    await folder?.close();
    throw error;
  }
}
