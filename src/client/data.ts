import { join } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import type { DescribeRequest, DroppedCounts } from '../contracts/messages.js';
// Not from the index of src/data, whose readers of every format no owner needs: each thread would load them.
import { tokenizeOptionsOf } from '../data/options.js';
import { contentHash } from '../data/sameness.js';
import { DataTally } from '../data/summary.js';
import { resolveTemplate, templateSha256 } from '../data/templates/resolve.js';
import { tokenizeExample } from '../data/tokenize.js';
import { SPLITS, type Split } from '../data/types.js';
import { DataError, FedtuneError, RunError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { tokenizerSha256 } from '../model/index.js';
import { splitCandidates } from '../partition/split.js';
import { randomStream, shuffled } from '../random.js';
import { hashFile, sha256 as sha256Of } from '../sha256.js';
import { StateStore } from '../store/index.js';
import { version } from '../version.js';
import { examplesOf, hashExamples, type LabelledExample, type OwnerExamples, packExamples } from './examples.js';
import type { OwnerHost, OwnerModel } from './host.js';
import { readOwnRows, rowsFile } from './rows.js';

/** What an owner has made of its rows, as it is kept in `<home>/tokens`. */
export interface OwnerData extends OwnerExamples {
  /** Of everything that it was made from. */
  readonly inputs: string;
  readonly dropped: DroppedCounts;
  readonly numCut: number;
  readonly numTargetsLost: number;
  readonly dataSha256: string;
}

/** Form of OwnerData: what is kept in another one is made anew. */
const FORM = 3;

/** There is one state of the tokens, written anew where rows or settings change. */
const TURN = 1;

const tokensStore = (home: string): StateStore => StateStore.open(join(home, 'tokens'));

/** A digest of all that examples and splits are made from: equal inputs give equal tokens. */
async function inputsOf(home: string, id: string, request: DescribeRequest, model: OwnerModel): Promise<string> {
  const { config, givenSplits } = request;
  const { seed, template, train_on, on_long, on_bad_row, seq_length, valid_fraction, test_fraction } = config;
  const caps = [config.max_train_examples, config.max_valid_examples, config.max_test_examples];
  return sha256Of(
    JSON.stringify([
      ...[FORM, version, id, model.sha256, await tokenizerSha256(model), await hashFile(rowsFile(home))],
      ...[seed, template, await templateSha256(template), train_on, on_long],
      ...[on_bad_row, seq_length, valid_fraction, test_fraction, caps, [...givenSplits].sort()],
    ]),
  );
}

/** Shuffles, splits and tokenises an owner's rows. */
async function makeData(
  home: string,
  id: string,
  { config, givenSplits }: DescribeRequest,
  ownerModel: OwnerModel,
  host: Pick<OwnerHost, 'tokenizer' | 'throwIfStopped'>,
  inputs: string,
): Promise<OwnerData> {
  const model = { ...ownerModel, tokenizer: await host.tokenizer(ownerModel) };
  const rows = await readOwnRows(home);
  const template = await resolveTemplate(config.template, model);
  const options = tokenizeOptionsOf(config, model, template);
  // A conversation whose template renders its past anew is several sequences.
  const made = new Map<number, { readonly sequences: readonly LabelledExample[]; readonly lost: number | undefined }>();
  const tally = new DataTally();
  const fits = (index: number): boolean => {
    host.throwIfStopped();
    const result = guardRow(rows[index]!.id, () => tokenizeExample(rows[index]!, options));
    tally.tokenized(rows[index]!, result);
    if ('dropped' in result) return false;
    const { category } = rows[index]!;
    const sequences = [result.example, ...result.more].map((example) => ({ example, category }));
    made.set(index, { sequences, lost: result.truncated ? result.facts.targetsLost : undefined });
    return true;
  };
  const order = shuffled(
    rows.map((_, index) => index),
    randomStream(config.seed, 'split', id),
  );
  const split = splitCandidates(
    order.map((index) => ({ index, split: rows[index]!.split, content: contentHash(rows[index]!) })),
    new Set(givenSplits),
    fits,
    {
      validFraction: config.valid_fraction,
      testFraction: config.test_fraction,
      caps: capsOf(config),
    },
  );
  const used = (name: Split) => split[name].flatMap((index) => made.get(index)!.sequences);
  const examples = packExamples({ train: used('train'), valid: used('valid'), test: used('test') });
  const lost = SPLITS.flatMap((name) => split[name]).flatMap((index) => made.get(index)!.lost ?? []);
  for (const index of split.repeated) tally.repeated(rows[index]!);
  const summary = tally.summary();
  // What was left out or changed, and why, for the owner's own eyes: a reason may quote a row. Counts alone leave it.
  await writeAtomic(join(home, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const { long, empty, bad: refused, repeated } = summary;
  const numTargetsLost = lost.reduce((sum, targets) => sum + targets, 0);
  return {
    ...examples,
    inputs,
    dropped: { long, empty, refused, repeated },
    numCut: lost.length,
    numTargetsLost,
    dataSha256: hashExamples(examples),
  };
}

const capsOf = (config: RunConfig): Record<Split, number | null> => ({
  train: config.max_train_examples,
  valid: config.max_valid_examples,
  test: config.max_test_examples,
});

/** Stands for an error that may quote a row: its text stays at home. */
class RowFailure extends Error {
  constructor(id: string, cause: unknown) {
    super(`Example ${id}`, { cause });
  }
}

function guardRow<T>(id: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof DataError && error.code === 'TOO_LONG' ? error : new RowFailure(id, error);
  }
}

/** What may leave the owner of an error: its own errors say nothing of what is in a row, others may quote it. */
async function sayable(home: string, error: unknown): Promise<unknown> {
  if (error instanceof FedtuneError || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  const path = join(home, 'error.txt');
  const cause = error instanceof RowFailure ? (error.cause as Error) : (error as Error);
  await writeAtomic(path, `${(error as Error).message}: ${cause?.stack ?? String(cause)}\n`).catch(() => {});
  const { name, code } = cause as { name?: string; code?: string };
  const what = error instanceof RowFailure ? `${error.message} cannot be made into tokens` : 'The rows cannot be read';
  return new DataError('OWNER_DATA', `${what} (${name ?? 'Error'}${code ? ` ${code}` : ''}). ${path} says why.`);
}

/**
 * The data of an owner: from `<home>/tokens`, or made from its rows where these, the base or the settings are others than before.
 * Leaves in its home the tokens, `split.json` (the ids by split) and `summary.json` (what became of the rows).
 *
 * Throws DataError, RunError WRITE_FAILED, InterruptedError.
 */
export async function prepareData(
  home: string,
  id: string,
  request: DescribeRequest,
  model: OwnerModel,
  host: Pick<OwnerHost, 'tokenizer' | 'throwIfStopped'>,
): Promise<OwnerData> {
  try {
    const inputs = await inputsOf(home, id, request, model);
    const kept = loadWhole(home);
    if (kept?.inputs === inputs) return kept;
    const data = await makeData(home, id, request, model, host, inputs);
    const ids = SPLITS.map((split) => {
      const { count, place } = examplesOf(data, split);
      return [split, data.ids.slice(place(0), place(count))];
    });
    await writeAtomic(join(home, 'split.json'), `${JSON.stringify(Object.fromEntries(ids), null, 2)}\n`);
    // Last: where they are, all else that is made of the rows is.
    const store = tokensStore(home);
    store.save(TURN, data);
    store.keepOnly([TURN]);
    return data;
  } catch (error) {
    throw await sayable(home, error);
  }
}

/** What is kept and whole; undefined where it has to be made again. */
function loadWhole(home: string): OwnerData | undefined {
  try {
    const store = tokensStore(home);
    return store.turns().includes(TURN) ? (store.load(TURN) as OwnerData) : undefined;
  } catch (error) {
    if (error instanceof RunError) return undefined;
    throw error;
  }
}

/** The data that `prepareData` left. Throws RunError STATE_DAMAGED. */
export function loadData(home: string): OwnerData {
  return tokensStore(home).load(TURN) as OwnerData;
}
