import { percent, table } from './markdown.mjs';
import { mean, spread } from './methodsStats.mjs';

/**
 * Rows of the table: whose runs, and which adapter counts; `home` is what each owner takes home, chosen on its validation
 * examples. Rates are tuned for what is taken home.
 */
export const ROWS = [
  { id: 'local', method: 'local', report: 'home' },
  { id: 'perfit + fedqp, as merged', method: 'perfit+fedqp', report: 'personalized' },
  { id: 'perfit + fedqp, taken home', method: 'perfit+fedqp', report: 'home' },
  { id: 'fedavg, as merged', method: 'fedavg', report: 'global' },
  { id: 'fedavg, taken home', method: 'fedavg', report: 'home' },
  { id: 'perfit, taken home', method: 'perfit', report: 'home' },
];

/** Runs of a method that are tuned against each other. */
export const VARIANTS = { local: ['local, half', 'local'] };

/** Perplexity of each owner, in order, of one adapter on `slices` of its examples. */
export const ownerPerplexities = (cell, report, slices) =>
  Object.values(cell).map((owner) => {
    const parts = slices.map((slice) => owner[report === 'home' ? owner.home : report][slice] ?? [0, 0]);
    const [nll, tokens] = [0, 1].map((i) => parts.reduce((sum, part) => sum + part[i], 0));
    return Math.exp(nll / tokens);
  });

const TEST = ['own', 'shared'];
const macro = (cell, report, slices) => mean(ownerPerplexities(cell, report, slices));
const fixed = (value) => (Number.isNaN(value) ? '-' : value.toFixed(2));
const signed = (share) => `${share > 0 ? '+' : ''}${percent(share)}`;

/** One row of one partition against tuned local, seed by seed. */
export function summary(cells, locals, report) {
  const pairs = cells.map((cell, i) => [
    ownerPerplexities(cell, report, TEST),
    ownerPerplexities(locals[i], 'home', TEST),
  ]);
  return {
    test: cells.map((cell) => macro(cell, report, TEST)),
    own: mean(cells.map((cell) => macro(cell, report, ['own']))),
    shared: mean(cells.map((cell) => macro(cell, report, ['shared']))),
    worst: mean(pairs.map(([of]) => Math.max(...of))),
    against: pairs.map(([of, alone]) => mean(of) / mean(alone) - 1),
    better: pairs.map(([of, alone]) => of.filter((value, i) => value < alone[i]).length),
  };
}

function partTable(part, natural) {
  if (part.rows.length === 0) return 'Not run yet.';
  const rows = part.rows.map(({ id, choice, test, own, shared, worst, against, better }) => [
    id,
    `${choice.rate} of ${choice.tried.join(', ')}${choice.run.endsWith('half') ? '; half the steps' : ''}`,
    fixed(mean(test)),
    test.map(fixed).join(', '),
    ...(natural ? [fixed(own), fixed(shared)] : []),
    fixed(worst),
    ...(id === 'local' ? ['-', '-', '-'] : [signed(mean(against)), against.map(signed).join(', '), better.join(', ')]),
  ]);
  return table(
    [
      ...['row', 'rate', 'mean of owners', 'by seed'],
      ...(natural ? ['own codes', "others' codes"] : []),
      ...['worst owner', 'against local', 'by seed', 'owners better off, of 8'],
    ],
    rows,
  );
}

/** The questions that the table answers: [row, against]. */
const HOME = 'perfit + fedqp, taken home';
const PAIRS = [
  [HOME, 'local'],
  [HOME, 'fedavg, taken home'],
  [HOME, 'perfit, taken home'],
  ['fedavg, taken home', 'local'],
];

/** 97.5 % quantiles of Student's t, by degrees of freedom. */
const T = [Number.NaN, 12.706, 4.303, 3.182, 2.776];

/** How much lower or higher the mean perplexity of one row is than another's: mean over seeds and its 95 % interval. */
export function pairInterval(of, against) {
  const logs = of.map((value, i) => Math.log(value / against[i]));
  const half = (T[logs.length - 1] * spread(logs)) / Math.sqrt(logs.length);
  return [mean(logs), mean(logs) - half, mean(logs) + half].map((log) => Math.exp(log) - 1);
}

/** The pairs of whose rows all seeds have run. */
function pairTable({ rows }, seeds) {
  const testOf = (id) => rows.find((row) => row.id === id && row.test.length === seeds.length)?.test;
  const pairs = PAIRS.filter((pair) => pair.every(testOf)).map(([of, against]) => {
    const [middle, low, high] = pairInterval(testOf(of), testOf(against));
    return [of, against, signed(middle), `${signed(low)} to ${signed(high)}`];
  });
  return table(['row', 'against', 'difference', '95 % interval over seeds (t)'], pairs);
}

/** What is said of cells that have not run. */
function gaps(missing) {
  if (missing.length === 0) return '';
  return `**Not finished.** Of rates, those that the tables name were tried; of seeds, those with a value have run. Missing: ${[...new Set(missing)].join(', ')}.\n\n`;
}

export function demoMarkdown({ cpu, seeds, steps, parts, missing }) {
  return `# What \`npm start\` shows

Perplexity on the owners' own test examples (lower is better) of the embedded data and base: ${seeds.length} seeds (${seeds.join(', ')}), ${cpu}.
By \`npm run bench:demo\`. Every owner makes the same number of optimizer steps in every row: ${steps.total} of 8 examples, fine-tuning included, and
${steps.search} more alone, where PerFIT's search costs 5 at most. Rates are those with the lowest mean perplexity on the validation examples of what
is taken home (seed 1), climbed by factors of two until both neighbours are worse; alone, half the steps were tried at every
rate as well, since a small owner overfits. All rows merge with uniform weights. What is taken home is chosen by each owner on its
validation examples among what its run offers: as merged, its own before the last merge, fine-tuned. Test examples are used for
this table and nothing else.

${gaps(missing)}## Owners as they are

\`own codes\` are the halves of the tests that need only codes which the owner trained on, \`others' codes\` those which need
codes that only other owners trained on.

${partTable(parts.natural, true)}

${pairTable(parts.natural, seeds)}

## Control: the same examples dealt out at random

Here every owner has everybody's conventions and codes, so there is nothing personal to learn. Rates and steps as above.

${partTable(parts.iid, false)}

${pairTable(parts.iid, seeds)}
`;
}
