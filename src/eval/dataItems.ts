import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readOwnRows } from '../client/rows.js';
import type { RunConfig } from '../config/schema.js';
import {
  type DataSummary,
  DataTally,
  type Example,
  loadExamples,
  mergeSummaries,
  readOptionsOf,
  resolveTemplate,
  type Split,
  tokenizeExample,
  tokenizeOptionsOf,
} from '../data/index.js';
import { DataError, RunError } from '../errors.js';
import type { BaseModel } from '../model/index.js';
import { homesOf } from '../run/owners.js';
import { readPartition } from '../run/partitionRecord.js';
import type { Item } from './items.js';
import { isRun } from './subjects.js';

export interface DataItems {
  readonly items: readonly Item[];
  /** The part of the data that is scored; `all` where it has no parts or all were asked for. */
  readonly split: Split | 'all';
  /** What was read, used, cut and left out. */
  readonly summary: DataSummary;
  /** Prompt template. */
  readonly template: string;
}

export interface DataChoice {
  /** @default the test split where the data has one, else all */
  readonly split?: Split | 'all' | undefined;
  /** At most this many examples of each owner, the first ones. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const splitFile = z.object({ train: z.array(z.string()), valid: z.array(z.string()), test: z.array(z.string()) });

/** The rows of a run's owners, with the splits that the run made. Throws RunError STATE_DAMAGED, DataError. */
async function rowsOfRun(run: string): Promise<Example[]> {
  const { clients } = await readPartition(run);
  const examples: Example[] = [];
  for (const { id, folder } of clients) {
    const home = join(homesOf(run), folder);
    const path = join(home, 'split.json');
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new RunError(
        'NO_ROWS',
        `Expected the rows of owner ${id} but ${path} cannot be read: it keeps them elsewhere.`,
        {
          cause,
        },
      );
    });
    const parsed = splitFile.safeParse(JSON.parse(text));
    if (!parsed.success) throw new RunError('STATE_DAMAGED', `${path} is torn or was altered.`);
    const splits = new Map(
      Object.entries(parsed.data).flatMap(([split, ids]) => ids.map((example) => [example, split as Split] as const)),
    );
    for (const row of await readOwnRows(home)) {
      const split = splits.get(row.id);
      if (split !== undefined) examples.push({ ...row, owner: id, split });
    }
  }
  return examples;
}

async function readAll(
  config: RunConfig,
  signal?: AbortSignal,
): Promise<{ examples: Example[]; summary: DataSummary[] }> {
  const specs = typeof config.data === 'string' ? [config.data] : config.data;
  const runs: string[] = [];
  for (const spec of specs) if (await isRun(spec)) runs.push(spec);
  const others = specs.filter((spec) => !runs.includes(spec));
  const examples: Example[] = [];
  for (const run of runs) for (const row of await rowsOfRun(run)) examples.push(row);
  if (others.length === 0) return { examples, summary: [] };
  const loaded = await loadExamples(others.length === 1 ? others[0]! : others, {
    ...readOptionsOf(config),
    ...(signal ? { signal } : {}),
  });
  return { examples: [...examples, ...loaded.examples], summary: [loaded.summary] };
}

const keyOf = (owner: string | undefined): string => owner ?? '';

/** The first `limit` examples of each owner. */
function limited(examples: readonly Example[], limit: number | undefined): readonly Example[] {
  if (limit === undefined) return examples;
  const counts = new Map<string, number>();
  return examples.filter(({ owner }) => {
    const count = (counts.get(keyOf(owner)) ?? 0) + 1;
    counts.set(keyOf(owner), count);
    return count <= limit;
  });
}

function chooseSplit(examples: readonly Example[], asked: Split | 'all' | undefined): Split | 'all' {
  if (asked !== undefined) return asked;
  return examples.some(({ split }) => split === 'test') ? 'test' : 'all';
}

/** The examples that are scored, and the part of the data that they are. Throws DataError NO_EXAMPLES. */
export async function scoredRows(config: RunConfig, choice: DataChoice) {
  const { examples, summary } = await readAll(config, choice.signal);
  const split = chooseSplit(examples, choice.split);
  const chosen = limited(
    split === 'all' ? examples : examples.filter((example) => example.split === split),
    choice.limit,
  );
  if (chosen.length > 0) return { examples: chosen, split, summary };
  throw new DataError(
    'NO_EXAMPLES',
    `Expected examples of split ${split} but there are none among ${examples.length}; say --split all.`,
  );
}

/** The answer that an example has. */
export const referenceOf = ({ messages, output }: Example): string => messages?.at(-1)?.content ?? output;

/**
 * Reads and tokenises the examples to score, as a run of this configuration would: `config.data`, of which each may also be a run
 * folder (its owners' own examples). Throws DataError, NO_EXAMPLES where nothing is left; RunError.
 */
export async function loadDataItems(config: RunConfig, model: BaseModel, choice: DataChoice = {}): Promise<DataItems> {
  const template = await resolveTemplate(config.template, model);
  const { examples, split, summary } = await scoredRows(config, choice);
  const options = tokenizeOptionsOf(config, model, template);
  const tally = new DataTally();
  const items: Item[] = [];
  for (const example of examples) {
    const result = tokenizeExample(example, options);
    tally.tokenized(example, result);
    if ('dropped' in result) continue;
    const { owner, category } = example;
    for (const sequence of [result.example, ...result.more]) items.push({ ...sequence, owner, category });
  }
  const made = mergeSummaries([...summary, tally.summary()]);
  if (items.length > 0) return { items, split, summary: made, template: template.id };
  throw new DataError(
    'NO_EXAMPLES',
    `None of ${examples.length} examples can be scored: ${made.long} are over ${options.seqLength} tokens, ${made.empty} have no target, ` +
      `${made.bad} do not fit template ${template.id}.`,
  );
}
