import { basename } from 'node:path';
import { dataExtension } from './rows/index.js';
import type { Split } from './types.js';

/** Words for splits in the names of files, folders and columns. docs/data.md lists them. */
export const SPLIT_WORDS: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training'],
  valid: ['validation', 'valid', 'val', 'dev', 'development'],
  test: ['test', 'testing', 'eval', 'evaluation', 'holdout'],
};
const SPLIT_OF = new Map(
  Object.entries(SPLIT_WORDS).flatMap(([split, words]) => words.map((word) => [word, split as Split] as const)),
);
const WORD = [...SPLIT_OF.keys()].sort((a, b) => b.length - a.length).join('|');

/** What data sets write behind the word: numbers of shards and versions, hashes of their content, parts of a recipe. */
const TAIL = String.raw`(?:v?\d+[km]?)?(?:[-_. ](?:v?\d+[km]?|of|sft|gen|prefs?|rm|split|set|data|dataset|full|small|large|mini|sample|subset|clean|cleaned|filtered|raw|part|shard|(?=\d*[a-f])[0-9a-f]{8,}))*`;
const PLAIN = new RegExp(`^(?:(?:global|data|dataset|split)[-_. ])?(${WORD})${TAIL}$`, 'i');
/** The word with more around it: a split only where another file has the same around another word. */
const WITHIN = new RegExp(`^(?:(.+?)[-_. ])?(${WORD})(?:[-_. ](.+))?$`, 'i');

/** A piece of a data set that was cut for its size: `data-00000-of-00002`. */
const SHARD = /\d{5}-of-\d{5}/;
/** Names of pieces inside of a split's folder. */
const PIECE = /^(?:data|part|parts|shard|chunk|file|batch|rows?|output)?[-_.]?(?:\d[\d-]*|[0-9a-f-]{8,})?$/i;

/** The split that a name speaks for: `train`, `validation-00000-of-00001-5f1c2d3e`, `test_sft`, `global_test`, `eval`. */
export function splitOf(name: string): Split | undefined {
  const word = PLAIN.exec(name)?.[1]?.toLowerCase();
  return word === undefined ? undefined : SPLIT_OF.get(word);
}

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

interface Around {
  /** What stands around the word: the name of an owner or of the data set. */
  readonly name: string;
  readonly split: Split;
}

/** `north_train` beside `north_test`, `train_north` beside `test_north`: where such a pair is there, the word is a split. */
function pairsOf(parts: readonly Parts[]): Map<Parts, Around> {
  const found = new Map<Parts, Around>();
  const splits = new Map<string, Set<Split>>();
  const keyOf = (part: Parts, name: string): string => [...part.folders, name].join('/');
  for (const part of parts) {
    const match = part.own === undefined && part.inSplit === undefined ? WITHIN.exec(part.stem) : null;
    if (match === null) continue;
    const split = SPLIT_OF.get(match[2]!.toLowerCase())!;
    // Numbers of shards do not count.
    const behind = (match[3] ?? '').replace(new RegExp(`^${TAIL}$`, 'i'), '');
    const name = [match[1] ?? '', behind].filter((text) => text !== '').join('-');
    found.set(part, { name, split });
    splits.set(keyOf(part, name), (splits.get(keyOf(part, name)) ?? new Set()).add(split));
  }
  for (const [part, { name }] of found) if (splits.get(keyOf(part, name))!.size < 2) found.delete(part);
  return found;
}

/**
 * What the names of files and folders say about the rows in them: whose they are (a folder's name; else, of several
 * files, each file's own) and to which split they belong. `labels` are paths relative to the data's folder.
 */
export function placesOf(labels: readonly string[]): Place[] {
  const parts = labels.map(partsOf);
  const pairs = pairsOf(parts);
  const names = new Set([...pairs.values()].map(({ name }) => name));
  // Repositories keep everything in data/: that is nobody's name.
  const container = parts.every(({ folders }) => folders.length === 0 || folders[0]!.toLowerCase() === 'data');
  return parts.map((part) => {
    const pair = pairs.get(part);
    const split = part.own ?? pair?.split ?? part.inSplit;
    // One name around all splits is the data set's, several are the owners'.
    const ofFile = pair === undefined ? ownerOfStem(part, labels.length > 1) : names.size > 1 ? pair.name : undefined;
    const owner = part.folders[container ? 1 : 0] ?? ofFile;
    return { ...(owner === undefined ? {} : { owner }), ...(split === undefined ? {} : { split }) };
  });
}

function ownerOfStem({ stem, own, inSplit }: Parts, several: boolean): string | undefined {
  if (!several || own !== undefined || SHARD.test(stem)) return undefined;
  return inSplit !== undefined && PIECE.test(stem) ? undefined : stem;
}
