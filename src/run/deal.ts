import { join } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import type { EvalSplit } from '../contracts/evaluation.js';
import { type DataSummary, type Example, exampleLines, loadExamples, readOptionsOf } from '../data/index.js';
import { inPieces, makeFolder, writeAtomic } from '../files.js';
import type { HubOptions } from '../model/index.js';
import { dealExamples, ownerFolders } from '../partition/index.js';

/** The rows of a simulated owner before they are dealt out. */
export interface DealtOwner {
  readonly id: string;
  readonly folder: string;
  readonly examples: readonly Example[];
}

/** A data set divided among simulated owners. */
export interface Deal {
  /** Sorted by id. */
  readonly owners: readonly DealtOwner[];
  readonly givenSplits: readonly EvalSplit[];
  readonly numExamples: number;
  readonly numBadRows: number;
  readonly numUnlabelled: number;
  readonly reading: DataSummary;
}

/** Reads the data of a simulation and divides it among its owners. Throws DataError, ConfigError. */
export async function deal(config: RunConfig, hub: HubOptions = {}): Promise<Deal> {
  const { examples, numBadRows, summary } = await loadExamples(config.data, { ...hub, ...readOptionsOf(config) });
  const { owners, ...rest } = dealExamples(examples, config);
  const folders = ownerFolders(owners.map(({ id }) => id));
  return {
    ...rest,
    numExamples: examples.length,
    numBadRows,
    reading: summary,
    owners: owners.map(({ id, indices }) => ({
      id,
      folder: folders.get(id)!,
      examples: indices.map((index) => examples[index]!),
    })),
  };
}

/**
 * Writes every owner's rows into its home, `<dir>/<folder>/rows.jsonl`; from then on only the owner opens it.
 * Throws RunError WRITE_FAILED.
 */
export async function writeHomes(dir: string, { owners }: Deal): Promise<void> {
  for (const { folder, examples } of owners) {
    const home = join(dir, folder);
    await makeFolder(home);
    await writeAtomic(join(home, 'rows.jsonl'), inPieces(exampleLines(examples)));
  }
}
