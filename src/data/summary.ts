import { byCode } from '../order.js';
import { shown } from '../text.js';
import type { TokenizeResult } from './tokenize.js';
import type { BadRow, Example } from './types.js';

/** Why rows were left out or changed, how many, and the first of them. */
export interface Reason {
  readonly reason: string;
  readonly count: number;
  /** `file:line` of the first. */
  readonly first: string;
}

/** What became of the rows of a data set or of an owner. Plain data: it crosses processes and is kept as JSON. */
export interface DataSummary {
  readonly files: number;
  /** Rows read, whatever became of them. */
  readonly rows: number;
  /** Rows that could not be used: no known format, broken, refused by the template. */
  readonly bad: number;
  /** Rows that the data itself marks as not to be learnt. */
  readonly weightless: number;
  /** Turns of conversations before the first question or after the last answer. */
  readonly turnsLeftOut: number;
  /** Examples that were tokenised, and what became of them. */
  readonly tokenized: number;
  readonly long: number;
  readonly empty: number;
  /** Examples for training that are held out for validation or test as well. */
  readonly repeated: number;
  /** Examples that were cut at seq_length. */
  readonly cut: number;
  /** Target tokens of the tokenised examples before cutting, and those that were cut off. */
  readonly targets: number;
  readonly targetsLost: number;
  /** Tokens split at the border of prompt and answer. */
  readonly splits: number;
  /** Conversations put into another form for the template. */
  readonly reshaped: number;
  /** Examples in whose text control tokens of the base are letters. */
  readonly controlAsText: number;
  /** Columns that are no part of the examples, with the number of rows that have them; past MAX_COLUMNS `other columns`. */
  readonly unusedColumns: Readonly<Record<string, number>>;
  /** Reasons, most frequent first; at most MAX_REASONS, the rest under `other reasons`. */
  readonly reasons: readonly Reason[];
}

const MAX_REASONS = 50;
const OTHER = 'other reasons';
const MAX_COLUMNS = 200;
const OTHER_COLUMNS = 'other columns';

/** Reasons that differ in their numbers only are one. */
const kindOf = (reason: string): string => reason.replace(/\d+/g, '#').slice(0, 200);

type Counter = Exclude<keyof DataSummary, 'unusedColumns' | 'reasons'>;
const COUNTERS: readonly Counter[] = [
  'files',
  'rows',
  'bad',
  'weightless',
  'turnsLeftOut',
  'tokenized',
  'long',
  'empty',
  'repeated',
  'cut',
  'targets',
  'targetsLost',
  'splits',
  'reshaped',
  'controlAsText',
];

/** Counts what becomes of rows; its memory does not grow with them. */
export class DataTally {
  readonly #counts = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
  readonly #columns = new Map<string, number>();
  readonly #reasons = new Map<string, { reason: string; count: number; first: string }>();

  add(counter: Counter, count = 1): void {
    this.#counts[counter] += count;
  }

  unused(columns: readonly string[]): void {
    for (const name of columns) {
      const isKnown = this.#columns.has(name) || this.#columns.size < MAX_COLUMNS;
      const key = isKnown ? name : OTHER_COLUMNS;
      this.#columns.set(key, (this.#columns.get(key) ?? 0) + 1);
    }
  }

  reason(reason: string, first: string, count = 1): void {
    let kind = kindOf(reason);
    if (!this.#reasons.has(kind) && this.#reasons.size >= MAX_REASONS) kind = OTHER;
    const known = this.#reasons.get(kind);
    if (known === undefined) this.#reasons.set(kind, { reason: kind === OTHER ? OTHER : reason, count, first });
    else known.count += count;
  }

  bad({ file, line, reason }: BadRow): void {
    this.add('bad');
    this.reason(reason, `${file}:${line}`);
  }

  /** What tokenising made of an example. */
  tokenized(example: Pick<Example, 'id'>, result: TokenizeResult): void {
    this.add('tokenized');
    if ('dropped' in result) {
      this.add(result.dropped === 'refused' ? 'bad' : result.dropped);
      this.reason(result.reason, example.id);
      return;
    }
    const { facts } = result;
    this.add('targets', facts.targets);
    this.add('targetsLost', facts.targetsLost);
    this.add('splits', facts.splits);
    if (result.truncated) this.add('cut');
    if (facts.reshaped) this.add('reshaped');
    if (facts.controlAsText) this.add('controlAsText');
  }

  /** An example that is left out of training, since the data holds out the same one. */
  repeated({ id }: Pick<Example, 'id'>): void {
    this.add('repeated');
    this.reason('it is among the validation or test examples as well', id);
  }

  summary(): DataSummary {
    return {
      ...this.#counts,
      unusedColumns: Object.fromEntries([...this.#columns].sort(([a, x], [b, y]) => y - x || byCode(a, b))),
      reasons: [...this.#reasons.values()].sort((a, b) => b.count - a.count),
    };
  }
}

/** The sum of several summaries, such as those of all owners. */
export function mergeSummaries(summaries: readonly DataSummary[]): DataSummary {
  const tally = new DataTally();
  for (const summary of summaries) {
    for (const name of COUNTERS) tally.add(name, summary[name]);
    for (const { reason, first, count } of summary.reasons) tally.reason(reason, first, count);
  }
  const columns: Record<string, number> = {};
  for (const summary of summaries) {
    for (const [name, count] of Object.entries(summary.unusedColumns)) columns[name] = (columns[name] ?? 0) + count;
  }
  return { ...tally.summary(), unusedColumns: columns };
}

const percent = (part: number, whole: number): string => {
  const share = (100 * part) / Math.max(1, whole);
  return share > 0 && share < 0.1 ? 'under 0.1 %' : `${share.toFixed(share < 10 ? 1 : 0)} %`;
};
const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

/** A summary in a few lines for the screen: what was left out or changed, and why. Nothing of note gives no line. */
export function describeSummary(summary: DataSummary, seqLength?: number): string[] {
  const lines: string[] = [];
  if (summary.bad > 0)
    lines.push(`${count(summary.bad, 'row')} of ${summary.rows || summary.tokenized} could not be used`);
  if (summary.weightless > 0) lines.push(`${count(summary.weightless, 'row')} with weight 0 were left out`);
  if (summary.long > 0)
    lines.push(`${count(summary.long, 'example')} over ${seqLength ?? 'seq_length'} tokens were left out`);
  if (summary.empty > 0) lines.push(`${count(summary.empty, 'example')} without a target token were left out`);
  if (summary.repeated > 0)
    lines.push(
      `${count(summary.repeated, 'example')} for training were left out, held out for validation or test as well`,
    );
  if (summary.cut > 0) {
    lines.push(
      `${summary.cut} of ${count(summary.tokenized, 'example')} were cut at ${seqLength ?? 'seq_length'} tokens: ` +
        `${percent(summary.targetsLost, summary.targets)} of the target tokens are lost`,
    );
  }
  for (const { reason, count: times, first } of summary.reasons.slice(0, 3)) {
    lines.push(`  ${times === 1 ? '' : `${times} times, first `}${shown(first, 80)}: ${shown(reason, 200)}`);
  }
  if (summary.reasons.length > 3) lines.push(`  and ${count(summary.reasons.length - 3, 'more reason')}`);
  if (summary.turnsLeftOut > 0)
    lines.push(`${count(summary.turnsLeftOut, 'turn')} before a first question or after a last answer were left out`);
  if (summary.reshaped > 0)
    lines.push(
      `${count(summary.reshaped, 'conversation')} were put into plain turns, since the template refuses or loses some`,
    );
  if (summary.controlAsText > 0)
    lines.push(`${count(summary.controlAsText, 'example')} spell control tokens of the base; they are text there`);
  if (summary.splits > 0)
    lines.push(`${count(summary.splits, 'token')} lay across the border of prompt and answer and were split there`);
  const columns = Object.keys(summary.unusedColumns);
  if (columns.length > 0)
    lines.push(
      `unused columns: ${columns
        .slice(0, 12)
        .map((name) => shown(name))
        .join(', ')}${columns.length > 12 ? ', \u2026' : ''}`,
    );
  return lines;
}
