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

/** What data sets write behind the word: numbers of shards, hashes of their content, and parts of a recipe. */
const TAIL = String.raw`(?:[-_. ]?\d+|[-_. ](?:of|sft|gen|prefs?|rm|split|set|data|dataset|full|clean|cleaned|filtered|raw|part|shard|[0-9a-f]{8,}))*`;
const PLAIN = new RegExp(`^(?:(?:global|data|dataset|split)[-_. ])?(${WORD})${TAIL}$`, 'i');
const PREFIXED = new RegExp(`^(.+?)[-_. ](${WORD})${TAIL}$`, 'i');

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

/** `north_train` beside `north_test`: the names before the split's, where such a pair (or a training part) is there. */
function prefixesOf(parts: readonly Parts[]): Map<Parts, { prefix: string; split: Split }> {
  const found = new Map<Parts, { prefix: string; split: Split }>();
  const splits = new Map<string, Set<Split>>();
  for (const part of parts) {
    const match = part.own === undefined && part.inSplit === undefined ? PREFIXED.exec(part.stem) : null;
    if (match === null) continue;
    const split = SPLIT_OF.get(match[2]!.toLowerCase())!;
    const key = [...part.folders, match[1]].join('/');
    found.set(part, { prefix: match[1]!, split });
    splits.set(key, (splits.get(key) ?? new Set()).add(split));
  }
  for (const [part, { prefix }] of found) {
    const together = splits.get([...part.folders, prefix].join('/'))!;
    if (together.size < 2) found.delete(part);
  }
  return found;
}

/**
 * What the names of files and folders say about the rows in them: whose they are (a folder's name; else, of several
 * files, each file's own) and to which split they belong. `labels` are paths relative to the data's folder.
 */
export function placesOf(labels: readonly string[]): Place[] {
  const parts = labels.map(partsOf);
  const prefixes = prefixesOf(parts);
  const names = new Set([...prefixes.values()].map(({ prefix }) => prefix));
  // Repositories keep everything in data/: that is nobody's name.
  const container = parts.every(({ folders }) => folders.length === 0 || folders[0]!.toLowerCase() === 'data');
  return parts.map((part) => {
    const prefixed = prefixes.get(part);
    const split = part.own ?? prefixed?.split ?? part.inSplit;
    const folder = part.folders[container ? 1 : 0];
    const owner =
      folder ?? (prefixed !== undefined && names.size > 1 ? prefixed.prefix : ownerOfStem(part, labels.length > 1));
    const said = prefixed !== undefined && folder === undefined && names.size === 1 ? undefined : owner;
    return { ...(said === undefined ? {} : { owner: said }), ...(split === undefined ? {} : { split }) };
  });
}

function ownerOfStem({ stem, own, inSplit }: Parts, several: boolean): string | undefined {
  if (!several || own !== undefined || SHARD.test(stem)) return undefined;
  return inSplit !== undefined && PIECE.test(stem) ? undefined : stem;
}
