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

/** The split that a name speaks for: `train`, `validation-00000-of-00001-5f1c2d3e`, `test_sft`, `global_test`, `eval`. */
export function splitOf(name: string): Split | undefined {
  const word = PLAIN.exec(name)?.[1]?.toLowerCase();
  return word === undefined ? undefined : SPLIT_OF.get(word);
}

/**
 * A word for a split with more around it (`north_train`, `test_chat_en`), and what stands around: the name of an owner or of
 * the data set. It is a split only where another name has the same around another word.
 */
export function splitWithin(name: string): { readonly around: string; readonly split: Split } | undefined {
  const match = WITHIN.exec(name);
  if (match === null) return undefined;
  // Numbers of shards do not count.
  const behind = (match[3] ?? '').replace(new RegExp(`^${TAIL}$`, 'i'), '');
  const around = [match[1] ?? '', behind].filter((text) => text !== '').join('-');
  return { around, split: SPLIT_OF.get(match[2]!.toLowerCase())! };
}
