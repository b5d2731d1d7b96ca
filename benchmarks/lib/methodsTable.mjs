import { PAIRS } from './methodsRows.mjs';
import { hierarchicalBootstrap, judge, mean, spread } from './methodsStats.mjs';
import { bestRound, countedOf } from './methodsTune.mjs';

const summary = (values) => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : { mean: mean(known), spread: spread(known), n: known.length };
};

const good = (row) => row.cells.filter(({ error }) => !error);
const clientPpl = (cell, entry) =>
  cell.metrics.clients.map((client) => client[countedOf(client, entry)]?.ppl ?? Number.NaN);

/** Share of the owners for whom the row is better than the same seed's training alone. */
function betterThanAlone(row, local) {
  const shares = good(row).flatMap((cell) => {
    const alone = local && good(local).find(({ seed }) => seed === cell.seed);
    if (!alone || row === local) return [];
    const [ours, theirs] = [clientPpl(cell, row.entry), clientPpl(alone, local.entry)];
    return [ours.filter((ppl, i) => ppl < theirs[i]).length / ours.length];
  });
  return summary(shares);
}

/**
 * Bytes and tokens of all owners until the row's macro perplexity on validation was first no higher than that of training alone;
 * null where it never was. Adapters that exist at the end alone reach it there or not at all.
 */
export function costToReach(row, local) {
  const target = local?.best && !local.best.error ? bestRound(local.best, local.entry).ppl : undefined;
  const cell = row.best;
  if (target === undefined || !cell || cell.error || row === local) return null;
  const { rounds, metrics } = cell;
  const evaluated = metrics.evaluations.find(({ round, macro }) => round > 0 && macro[row.entry.report]?.ppl <= target);
  const atEnd = bestRound(cell, row.entry).ppl <= target ? metrics.rounds : undefined;
  const reached = evaluated?.round ?? atEnd;
  if (reached === undefined) return null;
  const until = rounds.filter(({ round }) => round <= reached);
  const sum = (key) => until.reduce((total, one) => total + one[key], 0);
  return { bytes: sum('bytes'), tokens: sum('tokens') + (evaluated ? 0 : (metrics.tokens.tune ?? 0)) };
}

/** Means and spreads over the seeds of one row. */
function summariseRow(row, local) {
  const { entry } = row;
  const kind = entry.report === 'home' ? 'take_home' : entry.report;
  const of = (pick) => summary(good(row).map(pick));
  return {
    row: entry.id,
    report: entry.report,
    settings: row.tuned,
    seeds: good(row).map(({ seed }) => seed),
    failed: row.cells.filter(({ error }) => error).map(({ seed, error }) => ({ seed, error })),
    macro: of(({ metrics }) => metrics.macro[kind]?.ppl),
    weighted: of(({ metrics }) => metrics.weighted[kind]?.ppl),
    worst: of((cell) => Math.max(...clientPpl(cell, entry))),
    better: betterThanAlone(row, local),
    take_home: of(({ metrics }) => metrics.macro.take_home?.ppl),
    bytes_up: of(({ metrics }) => metrics.traffic.bytes_up),
    bytes_down: of(({ metrics }) => metrics.traffic.bytes_down),
    train_tokens: of(({ metrics: { tokens } }) => tokens.train + tokens.search + (tokens.tune ?? 0)),
    to_local: costToReach(row, local),
    seconds: of(({ metrics }) => metrics.timing.seconds),
  };
}

/** The scores of a cell as the bootstrap wants them. */
const scoresOf = (cell, entry) =>
  cell.metrics.clients
    .map((client) => [client.id, cell.test[client.id][countedOf(client, entry)]])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, scores]) => scores);

function comparePair(rows, [a, b]) {
  const [left, right] = [a, b].map((id) => rows.find(({ entry }) => entry.id === id));
  if (!left || !right) return [];
  const shared = good(left).flatMap((cell) => {
    const other = good(right).find(({ seed }) => seed === cell.seed);
    return other ? [{ seed: cell.seed, pair: [scoresOf(cell, left.entry), scoresOf(other, right.entry)] }] : [];
  });
  if (shared.length === 0) return [];
  const pairs = shared.map(({ pair }) => pair);
  const examples = pairs[0][0].reduce((sum, { nll }) => sum + nll.length, 0);
  return [{ row: a, against: b, seeds: shared.map(({ seed }) => seed), examples, ...hierarchicalBootstrap(pairs) }];
}

/** All that is said about one part. `rows`: `{ entry, cells, tuned, tried, best }`. */
export function summarisePart(part, rows) {
  const cells = rows.flatMap(good);
  const local = rows.find(({ entry }) => entry.id === 'local');
  const first = cells[0];
  return {
    part: part.name,
    plan: part.plan,
    grid: part.grid,
    model: first?.metrics.model,
    cpu: [...new Set(cells.map(({ cpu }) => cpu))],
    kernels: [...new Set(cells.map(({ key }) => key.kernels))],
    precision: first?.metrics.precision,
    owners: first?.metrics.clients.map(({ id, num_train, num_val, num_test }) => ({
      id,
      num_train,
      num_val,
      num_test,
    })),
    // No seed changes the base: what differs between seeds is the order of a sum.
    base: first?.metrics.macro.base?.ppl ?? null,
    rows: rows.filter(({ cells }) => cells.length > 0).map((row) => summariseRow(row, local)),
    tuning: rows.filter(({ tried }) => tried.length > 0).map(({ entry, tried }) => ({ row: entry.id, tried })),
    comparisons: judge(PAIRS.flatMap((pair) => comparePair(rows, pair))),
  };
}

const number = (value, digits = 4) => Number(value.toPrecision(digits)).toString();
/** Mean and, over more than one seed, spread; empty where nothing was measured. */
export const cellText = (value, digits) =>
  value ? `${number(value.mean, digits)}${value.n > 1 ? ` ± ${number(value.spread, 2)}` : ''}` : '';
/** Millions. */
export const mega = (value) => (value ? number(value.mean / 1e6, 3) : '');
export const percent = (value) => `${value > 0 ? '+' : ''}${(100 * value).toFixed(1)} %`.replace('-', '−');

const range = (values) => {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? `${least}` : `${least} to ${most}`;
};

/** Who was trained how, in two sentences. */
function setting({ plan, grid, model, owners = [], ...part }) {
  const of = (key) => range(owners.map((owner) => owner[key]));
  return (
    `Base ${model?.name} (${part.precision}); ${owners.length} owners with ${of('num_train')} training, ${of('num_val')} validation and ` +
    `${of('num_test')} test examples each; budget of an owner ${plan.rounds} rounds of ${plan.steps} steps of ${plan.batch} examples, or what ` +
    `costs no more; learning rates from ${grid.join(', ')} on. CPU ${part.cpu.join(', ')} (kernels ${part.kernels.join(', ')}). ` +
    `Macro perplexity of the base: ${part.base === null ? '-' : number(part.base)}.`
  );
}

function rowLine(row) {
  const settings = Object.entries(row.settings ?? {}).map(([key, value]) => `${key} ${value}`);
  const failed = row.failed.length > 0 ? [`failed: seeds ${row.failed.map(({ seed }) => seed).join(', ')}`] : [];
  const reached = row.to_local
    ? `${number(row.to_local.bytes / 1e6, 3)} / ${number(row.to_local.tokens / 1e6, 3)}`
    : '-';
  const cells = [
    row.row,
    row.report,
    cellText(row.macro),
    cellText(row.weighted),
    cellText(row.worst),
    row.better ? `${Math.round(100 * row.better.mean)} %` : '-',
    cellText(row.take_home),
    mega(row.bytes_up),
    mega(row.bytes_down),
    mega(row.train_tokens),
    row.row === 'local' ? '' : reached,
    row.seeds.length,
    [...settings, ...failed].join(', '),
  ];
  return `| ${cells.join(' | ')} |`;
}

const verdict = ({ separated, by_seed: seeds }) => {
  if (separated === undefined) return seeds.length === 1 ? 'this run' : 'these runs';
  return separated ? 'yes' : 'no';
};

const comparisonLine = (c) =>
  `| ${[
    c.row,
    c.against,
    percent(c.difference),
    c.by_seed.map(percent).join(', '),
    `${percent(c.low)} to ${percent(c.high)}`,
    number(c.p_holm, 2),
    verdict(c),
    c.examples,
  ].join(' | ')} |`;

function partMarkdown(part) {
  const lines = [
    `## ${part.part}`,
    '',
    setting(part),
    '',
    '| method | counts | macro | weighted | worst owner | better than alone | taken home | MB up | MB down | M tokens | MB / M tokens to reach local | seeds | chosen on validation |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...part.rows.map(rowLine),
    '',
  ];
  if (part.comparisons.length === 0) return lines;
  return [
    ...lines,
    '| method | against | difference | by seed | 95 % interval | p (Holm) | separated | test examples |',
    '|---|---|---|---|---|---|---|---|',
    ...part.comparisons.map(comparisonLine),
    '',
  ];
}

const INTRO = `# Methods compared

Made by \`npm run bench:methods\`. Perplexities are those of the owners' own test examples: macro is the mean over owners, weighted the one over
all target tokens, each with its standard deviation over seeds. "counts" is the adapter that the row is about; "taken home" is what each owner's
validation examples choose, and of "home" rows it is what counts. Every row merges with equal weights of the owners and has the same budget of training examples; search, second tracks
and fine-tuning are part of it. Learning rate and number of rounds (or steps) are chosen on validation at the first seed, for every row alike.

Differences are of macro perplexity. The interval is that of a hierarchical bootstrap: seeds (Student's t), and test examples that all seeds share.
"separated" says that three seeds or more all agree, that 0 is outside the interval, and that the p value, corrected after Holm for all pairs
of the table, is at most 5 %. One seed says how this run went, no more. Bytes and tokens "to reach local" are those of all owners until macro
perplexity on validation was first as low as that of training alone (first seed); "-" where it never was.
`;

/** The whole document. */
export const methodsMarkdown = (parts) => [INTRO, ...parts.flatMap(partMarkdown)].join('\n');
