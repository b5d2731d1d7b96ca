import { CONFIG_KEYS, type ConfigKey } from '../config/schema.js';
import { WHICH } from '../contracts/evaluation.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { comparePairs, type Pair, type PairedDifference } from './paired.js';
import type { RunRecord } from './record.js';

/** A run by the name that it was given, finished. */
export interface NamedRun {
  readonly name: string;
  readonly record: RunRecord & { readonly metrics: RunMetrics };
}

export interface RunComparison {
  readonly runs: readonly string[];
  /** Keys of the run file that are not the same in all, with each run's value. */
  readonly settings: Readonly<Record<string, readonly unknown[]>>;
  /** Mean perplexity of the owners on their test examples, by what was scored and for what they take home; null: not there. */
  readonly scores: Readonly<Record<string, readonly (number | null)[]>>;
  /** What owners take home against the first run, on the test examples that both scored alike; null: none. */
  readonly against_first: readonly (PairedDifference | null)[];
}

/** Where a run is written and how it is divided over this machine says nothing of what it is. */
const ELSEWHERE: readonly ConfigKey[] = ['output_dir', 'workers', 'threads', 'runtime'];

function settingsOf(runs: readonly NamedRun[]): RunComparison['settings'] {
  const keys = CONFIG_KEYS.filter((key) => !ELSEWHERE.includes(key));
  const rows = keys.map((key) => [key, runs.map(({ record }) => record.config[key])] as const);
  return Object.fromEntries(
    rows.filter(([, values]) => new Set(values.map((value) => JSON.stringify(value))).size > 1),
  );
}

function scoresOf(runs: readonly NamedRun[]): RunComparison['scores'] {
  const rows = [...WHICH, 'take_home' as const].map(
    (which) => [which, runs.map(({ record }) => record.metrics.macro[which]?.ppl ?? null)] as const,
  );
  return Object.fromEntries(rows.filter(([, values]) => values.some((value) => value !== null)));
}

/** NLL of each test example of an owner under what it takes home, by its id. */
function takeHomes({
  record: { metrics, scores },
}: NamedRun): Map<string, Map<string, { nll: number; targets: number }>> {
  const owners = new Map<string, Map<string, { nll: number; targets: number }>>();
  for (const { client, examples } of scores.owners) {
    const which = metrics.clients.find(({ id }) => id === client)?.take_home.which;
    const rows = examples.flatMap(({ id, nll, targets }) => {
      const value = which === undefined ? undefined : nll[which];
      return value !== undefined && Number.isFinite(value) ? [[id, { nll: value, targets }] as const] : [];
    });
    owners.set(client, new Map(rows));
  }
  return owners;
}

/** The test examples that both runs scored, as the same tokens. */
function pairsOf(run: NamedRun, first: NamedRun): Pair[][] {
  const [mine, theirs] = [takeHomes(run), takeHomes(first)];
  const owners = [...mine].map(([client, examples]) =>
    [...examples].flatMap(([id, { nll, targets }]): Pair[] => {
      const other = theirs.get(client)?.get(id);
      return other?.targets === targets ? [[nll, other.nll, targets]] : [];
    }),
  );
  return owners.filter((pairs) => pairs.length > 0);
}

/** Finished runs side by side: what is set otherwise, what came out, and what owners take home against the first, example by example. */
export function compareRuns(runs: readonly NamedRun[]): RunComparison {
  const [first] = runs;
  return {
    runs: runs.map(({ name }) => name),
    settings: settingsOf(runs),
    scores: scoresOf(runs),
    against_first: runs.map((run) => (run === first ? null : (comparePairs(pairsOf(run, first!)) ?? null))),
  };
}
