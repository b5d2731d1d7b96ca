import type { Estimate } from '../eval/estimates.js';
import type {
  AnswersResult,
  ChoicesResult,
  ClassesResult,
  EvalReport,
  PerplexityResult,
  Scored,
  TextResult,
} from '../eval/results.js';
import { shortNames } from '../eval/subjects.js';
import { plural, shareLost } from '../report/format.js';
import { plainTable } from '../report/plainTable.js';
import { shown } from '../text.js';

/** Rows of a table by owner or category; `--json` has all. */
const MAX_ROWS = 50;

const ppl = (value: number): string => value.toFixed(value < 100 ? 3 : 1);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const signed = (share: number): string => `${share > 0 ? '+' : ''}${percent(share)}`;

const within = ({ value, low, high }: Estimate, format: (value: number) => string): string =>
  `${format(value)} (${format(low)} to ${format(high)})`;

/** A column that is there where any subject has a value of it. */
function column<T>(head: string, results: readonly T[], cell: (result: T) => string | undefined) {
  const cells = results.map(cell);
  return cells.some((text) => text !== undefined) ? [{ head, cells: cells.map((text) => text ?? '') }] : [];
}

/** One row a subject. */
function subjectTable<T extends { readonly name: string }>(
  results: readonly T[],
  columns: readonly { readonly head: string; readonly cells: readonly string[] }[],
): string {
  const rows = namesOf(results).map((name, i) => [name, ...columns.map(({ cells }) => cells[i]!)]);
  return `\n${plainTable(['', ...columns.map(({ head }) => head)], rows)}\n`;
}

const against = <T extends { readonly against_base?: Estimate }>(results: readonly T[]) =>
  column('against base (95 %)', results, (result) => result.against_base && within(result.against_base, signed));

const namesOf = (results: readonly { readonly name: string }[]): string[] =>
  shortNames(results.map(({ name }) => name)).map((name) => shown(name));

/** One row an owner (or category), one column a subject. */
function groupTable<Score>(
  results: readonly Scored<Score>[],
  what: 'owners' | 'categories',
  count: (score: Score) => number,
  cell: (score: Score) => string,
  heads: readonly [string, string],
): string {
  const groups = Object.keys(results[0]![what]);
  if (groups.length === 0 || (groups.length === 1 && what === 'owners')) return '';
  const rows = groups
    .slice(0, MAX_ROWS)
    .map((group) => [
      shown(group),
      count(results[0]![what][group]!),
      ...results.map((result) => cell(result[what][group]!)),
    ]);
  const more = groups.length > MAX_ROWS ? `\n... and ${groups.length - MAX_ROWS} more, which --json has` : '';
  return `\n${plainTable([...heads, ...namesOf(results)], rows)}${more}\n`;
}

function perplexityTables(results: readonly PerplexityResult[], unit: string): string {
  const counted = (score: { readonly tokens: number }) => score.tokens;
  const cell = (score: PerplexityResult['all']) => ppl(score.ppl.value);
  return (
    groupTable(results, 'owners', counted, cell, [unit, 'tokens']) +
    groupTable(results, 'categories', counted, cell, ['category', 'tokens']) +
    subjectTable(results, [
      ...column('perplexity (95 %)', results, ({ all }) => within(all.ppl, ppl)),
      ...column('loss', results, ({ all }) => all.nll.toFixed(4)),
      ...column(
        `mean of ${unit}s (95 %)`,
        results,
        (result) => result.mean_of_owners && within(result.mean_of_owners, ppl),
      ),
      ...against(results),
    ])
  );
}

const textTable = (results: readonly TextResult[]): string =>
  subjectTable(results, [
    ...column('per byte', results, (result) => result.byte_ppl.toFixed(4)),
    ...column('bits per byte', results, (result) => result.bits_per_byte.toFixed(4)),
    ...column('per word', results, (result) => ppl(result.word_ppl)),
  ]);

function choiceTables(results: readonly ChoicesResult[]): string {
  const counted = (score: { readonly questions: number }) => score.questions;
  const cell = (score: ChoicesResult['all']) => percent(score.accuracy.value);
  return (
    groupTable(results, 'owners', counted, cell, ['owner', 'questions']) +
    groupTable(results, 'categories', counted, cell, ['category', 'questions']) +
    subjectTable(results, [
      ...column('accuracy (95 %)', results, ({ all }) => within(all.accuracy, percent)),
      ...column('by length (95 %)', results, ({ all }) => within(all.accuracy_norm, percent)),
      ...against(results),
    ])
  );
}

const examplesOf = (score: { readonly examples: number }) => score.examples;

const classTables = (results: readonly ClassesResult[]): string =>
  groupTable(results, 'owners', examplesOf, (score) => percent(score.accuracy.value), ['owner', 'examples']) +
  subjectTable(results, [
    ...column('accuracy (95 %)', results, ({ all }) => within(all.accuracy, percent)),
    ...column('macro F1 (95 %)', results, ({ all }) => within(all.macro_f1, percent)),
    ...against(results),
  ]);

const answerTables = (results: readonly AnswersResult[]): string =>
  groupTable(results, 'owners', examplesOf, (score) => percent(score.rougeL.value), ['owner', 'examples']) +
  subjectTable(results, [
    ...column('ROUGE-L (95 %)', results, ({ all }) => within(all.rougeL, percent)),
    ...column('ROUGE-1 (95 %)', results, ({ all }) => within(all.rouge1, percent)),
    ...column('exact match', results, ({ all }) => percent(all.exact_match.value)),
    ...against(results),
  ]);

function dataHeader({
  split,
  template,
  cut,
  seq_length,
  targets_lost,
  left_out,
  results,
}: NonNullable<EvalReport['data']>) {
  const { examples, tokens } = results[0]!.all;
  const which = split === 'all' ? plural(examples, 'example') : `${plural(examples, `${split} example`)}`;
  const lost = shareLost(targets_lost / (targets_lost + tokens));
  return (
    `Perplexity on ${which}, ${tokens} target tokens, template ${template} (lower is better)\n` +
    (cut > 0 ? `cut at ${seq_length} tokens: ${plural(cut, 'example')}; ${lost} of the target tokens are lost\n` : '') +
    (left_out > 0 ? `left out: ${plural(left_out, 'example')}, which --json says more of\n` : '')
  );
}

function textHeader({ window, stride, rolling, results }: NonNullable<EvalReport['text']>): string {
  const how = rolling ? `disjoint windows of ${window}` : `windows of ${window}, stride ${stride}`;
  return `Perplexity on plain text: ${plural(results[0]!.all.examples, 'window')}, ${results[0]!.all.tokens} target tokens, ${how} (lower is better)\n`;
}

/** What was scored, for a terminal or a log. */
export function evalTables({ model, data, text, choices, classes, answers }: EvalReport): string {
  const parts = [`${model.name}: ${model.kernels === null ? 'llama.cpp' : `${model.precision} on ${model.kernels}`}\n`];
  if (data) parts.push(dataHeader(data) + perplexityTables(data.results, 'owner'));
  if (text) parts.push(textHeader(text) + perplexityTables(text.results, 'file') + textTable(text.results));
  if (choices) {
    const { questions } = choices.results[0]!.all;
    const prompt = choices.prompt === 'template' ? 'the prompt template' : JSON.stringify(choices.prompt);
    parts.push(
      `Multiple choice: ${plural(questions, 'question')}, asked by ${prompt}\n${choiceTables(choices.results)}`,
    );
  }
  if (classes) {
    const { labels, results } = classes;
    parts.push(
      `${plural(results[0]!.all.examples, 'example')} of ${labels.length} classes, the likeliest answer\n${classTables(results)}`,
    );
  }
  if (answers) {
    const { results, template, max_tokens: most } = answers;
    parts.push(
      `Answers of llama.cpp to ${plural(results[0]!.all.examples, 'example')}, template ${template}, at most ${most} tokens (higher is better)\n${answerTables(results)}`,
    );
  }
  return parts.join('\n');
}
