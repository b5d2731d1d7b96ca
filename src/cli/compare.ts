import type { Command } from 'commander';
import { ConfigError, RunError } from '../errors.js';
import { shortNames } from '../eval/subjects.js';
import { writeAtomic } from '../files.js';
import { compareRuns, type NamedRun, type RunComparison } from '../report/compareRuns.js';
import { comparePage } from '../report/page/compare.js';
import { plainTable } from '../report/plainTable.js';
import { readRecord } from '../report/record.js';
import { shellWord, shown } from '../text.js';
import type { CliContext } from './context.js';

const LABELS: Readonly<Record<string, string>> = { personalized: 'own', take_home: 'takes home' };

const ppl = (value: number | null): string => (value === null ? '-' : value.toFixed(value < 100 ? 3 : 1));
const percent = (share: number): string => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
const valueText = (value: unknown): string => shown(typeof value === 'string' ? value : JSON.stringify(value));

function againstFirst(difference: RunComparison['against_first'][number]): string {
  if (difference === null) return '';
  const { difference: value, low, high } = difference;
  return `${percent(value)} (${percent(low)} to ${percent(high)})`;
}

const owners = (difference: RunComparison['against_first'][number]): string =>
  difference === null ? '' : `${difference.better} of ${difference.owners}`;

function text({ runs, settings, scores, against_first: differences }: RunComparison): string {
  const names = shortNames(runs).map((name) => shown(name));
  const set = Object.entries(settings).map(([key, values]) => [key, ...values.map(valueText)]);
  const scored = Object.entries(scores).map(([which, values]) => [LABELS[which] ?? which, ...values.map(ppl)]);
  const compared = differences.some((difference) => difference !== null)
    ? plainTable(
        ['takes home', ...names],
        [
          ['against the first (95 %)', ...differences.map(againstFirst)],
          ['owners that gain', ...differences.map(owners)],
        ],
      )
    : 'No test example was scored as the same tokens in two of them, so nothing is compared example by example.';
  return (
    `${set.length > 0 ? plainTable(['set', ...names], set) : 'Nothing is set otherwise.'}\n\n` +
    `${plainTable(['perplexity, mean of owners', ...names], scored)}\n\n${compared}\n`
  );
}

async function readRun(name: string): Promise<NamedRun> {
  const record = await readRecord(name);
  const { metrics } = record;
  if (metrics) return { name, record: { ...record, metrics } };
  throw new RunError(
    'NOT_FINISHED',
    `Expected finished runs but ${name} has no scores yet. Go on with it: fedtune run --resume ${shellWord(name)}`,
  );
}

/** `fedtune compare RUN...`. */
export function addCompareCommand(program: Command, { stdout }: CliContext): void {
  program
    .command('compare')
    .description('set finished runs side by side: what is set otherwise, scores, paired differences to the first')
    .argument('<run...>', 'run folders')
    .option('--json', 'print one JSON document')
    .option('--html <file>', 'write a page of them, with the curves of all in one')
    .action(async (names: readonly string[], { json, html }: { json?: boolean; html?: string }) => {
      if (names.length < 2) throw new ConfigError('Expected two runs or more to compare.');
      const runs = await Promise.all(names.map(readRun));
      const comparison = compareRuns(runs);
      if (html !== undefined) {
        const short = shortNames(names);
        await writeAtomic(
          html,
          comparePage(
            runs.map(({ record }, i) => ({ name: short[i]!, record })),
            comparison,
          ),
        );
      }
      stdout.write(json ? `${JSON.stringify(comparison)}\n` : text(comparison));
    });
}
