import { basename } from 'node:path';
import { dataExtension } from './rows/index.js';
import { splitOf, splitWithin } from './splits.js';
import type { Split } from './types.js';

/** A piece of a data set that was cut for its size: `data-00000-of-00002`. */
const SHARD = /\d{5}-of-\d{5}/;
/** Names of pieces inside of a split's folder. */
const PIECE = /^(?:data|part|parts|shard|chunk|file|batch|rows?|output)?[-_.]?(?:\d[\d-]*|[0-9a-f-]{8,})?$/i;

/** A file's name without what says how to read it. */
export function stemOf(path: string): string {
  const name = basename(path);
  return name.slice(0, name.length - (dataExtension(name)?.length ?? 0));
}

/** What other tools write beside rows: facts about them, caches of `datasets`, words for people. */
const NO_ROWS =
  /^(dataset_infos?|dataset_dict|state|metadata|config)\.json$|^cache-.*\.arrow$|^(readme|licen[cs]e)\b.*\.txt$/i;

/** Whether a file of that name holds rows. */
export function isData(name: string): boolean {
  return dataExtension(name) !== undefined && !name.startsWith('.') && !NO_ROWS.test(name);
}

export interface Place {
  readonly owner?: string;
  readonly split?: Split;
}

interface Parts {
  /** Folders that are no split's. */
  readonly folders: readonly string[];
  readonly stem: string;
  readonly inSplit: Split | undefined;
  readonly own: Split | undefined;
}

function partsOf(label: string): Parts {
  const dirs = label.split('/').slice(0, -1);
  const stem = stemOf(label);
  return {
    folders: dirs.filter((name) => splitOf(name) === undefined),
    stem,
    inSplit: dirs.map(splitOf).find((split) => split !== undefined),
    own: splitOf(stem),
  };
}

/** `north_train` beside `north_test`, `train_north` beside `test_north`: where such a pair is there, the word is a split. */
function pairsOf(parts: readonly Parts[]): Map<Parts, NonNullable<ReturnType<typeof splitWithin>>> {
  const found: ReturnType<typeof pairsOf> = new Map();
  const splits = new Map<string, Set<Split>>();
  const keyOf = (part: Parts, name: string): string => [...part.folders, name].join('/');
  for (const part of parts) {
    const within = part.own === undefined && part.inSplit === undefined ? splitWithin(part.stem) : undefined;
    if (within === undefined) continue;
    found.set(part, within);
    const key = keyOf(part, within.around);
    splits.set(key, (splits.get(key) ?? new Set()).add(within.split));
  }
  for (const [part, { around }] of found) if (splits.get(keyOf(part, around))!.size < 2) found.delete(part);
  return found;
}

/**
 * What the names of files and folders say about the rows in them: whose they are (a folder's name; else, of several
 * files, each file's own) and to which split they belong. `labels` are paths relative to the data's folder.
 */
export function placesOf(labels: readonly string[]): Place[] {
  const parts = labels.map(partsOf);
  const pairs = pairsOf(parts);
  const names = new Set([...pairs.values()].map(({ around }) => around));
  // Repositories keep everything in data/: that is nobody's name.
  const container = parts.every(({ folders }) => folders.length === 0 || folders[0]!.toLowerCase() === 'data');
  return parts.map((part) => {
    const pair = pairs.get(part);
    const split = part.own ?? pair?.split ?? part.inSplit;
    // One name around all splits is the data set's, several are the owners'.
    const ofFile = pair === undefined ? ownerOfStem(part, labels.length > 1) : names.size > 1 ? pair.around : undefined;
    const owner = part.folders[container ? 1 : 0] ?? ofFile;
    return { ...(owner === undefined ? {} : { owner }), ...(split === undefined ? {} : { split }) };
  });
}

function ownerOfStem({ stem, own, inSplit }: Parts, several: boolean): string | undefined {
  if (!several || own !== undefined || SHARD.test(stem)) return undefined;
  return inSplit !== undefined && PIECE.test(stem) ? undefined : stem;
}
