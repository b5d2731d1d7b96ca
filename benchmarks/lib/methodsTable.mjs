import { PAIRS } from './methodsRows.mjs';
import { mean, pairedBootstrap, spread } from './methodsStats.mjs';

const KINDS = ['global', 'personalized', 'tuned'];

const summary = (values) => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : { mean: mean(known), spread: spread(known), n: known.length };
};

/** Mean and spread over the seeds of one row. */
function summariseRow(entry, cells, settings) {
  const good = cells.filter(({ error }) => !error);
  const failed = cells.filter(({ error }) => error).map(({ seed, error }) => ({ seed, error }));
  const of = (pick) => summary(good.map(({ metrics }) => pick(metrics)));
  return {
    row: entry.id,
    report: entry.report,
    settings,
    seeds: good.map(({ seed }) => seed),
    failed,
    macro: of(({ macro }) => macro[entry.report]?.ppl),
    weighted: of(({ weighted }) => weighted[entry.report]?.ppl),
    worst: of(({ clients }) => Math.max(...clients.map((client) => client[entry.report]?.ppl ?? 0))),
    ...Object.fromEntries(KINDS.map((kind) => [kind, of(({ macro }) => macro[kind]?.ppl)])),
    take_home: of(({ macro }) => macro.take_home?.ppl),
    bytes_up: of(({ traffic }) => traffic.bytes_up),
    bytes_down: of(({ traffic }) => traffic.bytes_down),
    train_tokens: of(({ tokens }) => tokens.train + tokens.search + (tokens.tune ?? 0)),
    seconds: of(({ timing }) => timing.seconds),
  };
}

/** The scores of a cell as the bootstrap wants them. */
const scoresOf = (cell, entry) =>
  Object.keys(cell.test)
    .sort()
    .map((client) => cell.test[client][entry.report]);

function comparePair(rows, [a, b]) {
  const [left, right] = [a, b].map((id) => rows.find(({ entry }) => entry.id === id));
  if (!left || !right) return null;
  const pairs = left.cells.flatMap((cell) => {
    const other = right.cells.find(({ seed, error }) => seed === cell.seed && !error);
    return cell.error || !other ? [] : [[scoresOf(cell, left.entry), scoresOf(other, right.entry)]];
  });
  if (pairs.length === 0) return null;
  const examples = pairs[0][0].reduce((sum, { nll }) => sum + nll.length, 0);
  return { row: a, against: b, seeds: pairs.length, examples, ...pairedBootstrap(pairs) };
}

/** All that is said about one part. `rows`: `{ entry, cells, tuned, tried }`. */
export function summarisePart(part, rows) {
  const cells = rows.flatMap((row) => row.cells.filter(({ error }) => !error));
  return {
    part: part.name,
    plan: part.plan,
    tuned_on_validation: part.tune,
    model: cells[0]?.metrics.model,
    cpu: [...new Set(cells.map(({ cpu }) => cpu))],
    kernels: [...new Set(cells.map(({ metrics }) => metrics.timing.kernels))],
    owners: cells[0]?.metrics.clients.map(({ id, num_train, num_test }) => ({ id, num_train, num_test })),
    base: summary([...new Set(cells.map(({ metrics }) => metrics.macro.base?.ppl))]),
    rows: rows.filter((row) => row.cells.length > 0).map((row) => summariseRow(row.entry, row.cells, row.tuned)),
    tuning: rows.filter(({ tried }) => tried?.length > 0).map(({ entry, tried }) => ({ row: entry.id, tried })),
    comparisons: PAIRS.map((pair) => comparePair(rows, pair)).filter((comparison) => comparison !== null),
  };
}

const number = (value, digits = 4) => Number(value.toPrecision(digits)).toString();
/** Mean and, over more than one seed, spread; empty where nothing was measured. */
export const cellText = (value, digits) =>
  value ? `${number(value.mean, digits)}${value.n > 1 ? ` ± ${number(value.spread, 2)}` : ''}` : '';
/** Millions. */
export const mega = (value) => (value ? number(value.mean / 1e6, 3) : '');
const percent = (value) => `${value > 0 ? '+' : ''}${(100 * value).toFixed(1)} %`;

function partMarkdown(part) {
  const owners = part.owners ?? [];
  const count = (key) => owners.reduce((sum, owner) => sum + owner[key], 0);
  const lines = [
    `## ${part.part}`,
    '',
    `Model ${part.model?.name}; ${owners.length} owners, ${count('num_train')} training and ${count('num_test')} test examples; ` +
      `budget ${part.plan.rounds} rounds of ${part.plan.steps} steps of ${part.plan.batch} examples a client, or what costs no more; ` +
      `CPU ${part.cpu.join(', ')} (kernels ${part.kernels.join(', ')}). Macro perplexity of the base: ${cellText(part.base)}.`,
    '',
    '| method | counts | macro | weighted | worst owner | global | personalized | tuned | MB up | MB down | training tokens, M | seconds | settings |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...part.rows.map((row) => {
      const settings = Object.entries(row.settings ?? {}).map(([key, value]) => `${key} ${value}`);
      const failed = row.failed.length > 0 ? [`failed: seeds ${row.failed.map(({ seed }) => seed).join(', ')}`] : [];
      const cells = [row.macro, row.weighted, row.worst, row.global, row.personalized, row.tuned].map((v) =>
        cellText(v),
      );
      return `| ${row.row} | ${row.report} | ${cells.join(' | ')} | ${mega(row.bytes_up)} | ${mega(row.bytes_down)} | ${mega(row.train_tokens)} | ${cellText(row.seconds, 3)} | ${[...settings, ...failed].join(', ')} |`;
    }),
    '',
  ];
  if (part.comparisons.length === 0) return lines;
  return [
    ...lines,
    'Differences of macro perplexity, paired bootstrap over test examples (95 % interval; the mean over seeds):',
    '',
    '| method | against | difference | interval | separated | seeds | examples |',
    '|---|---|---|---|---|---|---|',
    ...part.comparisons.map(
      (c) =>
        `| ${c.row} | ${c.against} | ${percent(c.difference)} | ${percent(c.low)} to ${percent(c.high)} | ${c.separated ? 'yes' : 'no'} | ${c.seeds} | ${c.examples} |`,
    ),
    '',
  ];
}

/** The whole document. */
export function methodsMarkdown(parts) {
  return [
    '# Methods compared',
    '',
    "Made by `npm run bench:methods`. Perplexities are those of the owners' own test examples: macro is the mean over owners,",
    'weighted the one over all target tokens, the mean ± standard deviation over seeds. "counts" is the adapter that the row',
    'is about: `macro`, `weighted` and `worst owner` are of it. Every row has the same budget of training examples; search,',
    'second tracks and fine-tuning are part of it. Seconds are wall time, whatever else the machine did: compare tokens.',
    '',
    ...parts.flatMap(partMarkdown),
  ].join('\n');
}
