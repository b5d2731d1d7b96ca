import { loadExamples } from '../data/index.js';
import { readExampleScores } from '../report/exampleScores.js';
import type { RunResult } from '../run/runFederation.js';
import { shown } from '../text.js';
import type { CliContext } from './context.js';

/** Column of the embedded rows: whether the answer needs codes that only other owners train on. */
export const SHARED_COLUMN = 'shared';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const digits = (ppl: number): string => ppl.toFixed(2);

/** `2.93 against 3.88 (-24 %)`. */
const compared = (home: number, alone: number): string =>
  `${digits(home)} against ${digits(alone)} alone (${home > alone ? '+' : ''}${Math.round(100 * (home / alone - 1))} %)`;

/** Mean perplexities of the owners, of what they take home and alone, on the test examples with and without the mark. */
async function bySharing({ dir, owners, metrics }: RunResult): Promise<Map<string, [home: number, alone: number]>> {
  const { examples } = await loadExamples('embedded', { labelColumn: SHARED_COLUMN });
  const labels = new Map(examples.map(({ id, label }) => [id, label]));
  const scores = await readExampleScores(dir, owners);
  const homes = new Map(metrics.clients.map(({ id, take_home }) => [id, take_home.which]));
  const of = (which: 'home' | 'local', label: string): number =>
    mean(
      scores.owners.map((owner) => {
        const some = owner.examples.filter(({ id }) => labels.get(id) === label);
        const kind = which === 'home' ? homes.get(owner.client)! : which;
        const nll = some.reduce((sum, example) => sum + (example.nll[kind] ?? Number.NaN), 0);
        return Math.exp(nll / some.reduce((sum, { targets }) => sum + targets, 0));
      }),
    );
  return new Map(['true', 'false'].map((label) => [label, [of('home', label), of('local', label)]]));
}

/** Who gained by what they take home against training alone, and where; nothing where the run trained nobody alone. */
export async function printGains(result: RunResult, { stdout }: CliContext): Promise<void> {
  const { config, metrics } = result;
  const pairs = metrics.clients.flatMap(({ id, local, take_home: home }) =>
    local && home.ppl !== undefined ? [{ id, home: home.ppl, alone: local.ppl }] : [],
  );
  if (pairs.length === 0) return;
  const others = pairs.filter(({ home, alone }) => home >= alone);
  const all = compared(mean(pairs.map(({ home }) => home)), mean(pairs.map(({ alone }) => alone)));
  const gained = `${pairs.length - others.length} of ${pairs.length} owners do better with what they take home than alone`;
  const rest = others.map(({ id, home, alone }) => `${shown(id)} (${compared(home, alone)})`);
  stdout.write(`\n${gained}, in the mean ${all}${rest.length === 0 ? '' : `; not ${rest.join(', ')}`}.\n`);
  if (config.data !== 'embedded' || config.partition !== 'natural') return;
  const parts = await bySharing(result);
  stdout.write(
    `  answers that need codes only other owners trained on: ${compared(...parts.get('true')!)}\n` +
      `  answers that need no others: ${compared(...parts.get('false')!)}\n`,
  );
}
