import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { shown } from '../text.js';
import { didYouMean, namesOf } from './ownerNames.js';

/** Owners whose adapter answers the questions of all: the first ones. */
const MAX_OWNERS = 24;

/** A question of the run file (`samples`): of all, or of one owner. */
export interface Question {
  readonly text: string;
  readonly owner?: string;
}

/** The questions of a run file, in its order. */
export const questionsOf = ({ samples }: Pick<RunConfig, 'samples'>): Question[] =>
  samples.map((one) => (typeof one === 'string' ? { text: one } : { text: one.question, owner: one.owner }));

/** Throws ConfigError UNKNOWN_CLIENT where a question is of an owner that is none of `ids`; `leftOut` are those that have too few rows. */
export function checkQuestions(
  config: Pick<RunConfig, 'samples'>,
  ids: readonly string[],
  leftOut: readonly string[] = [],
): void {
  const known = new Set(ids);
  const stranger = questionsOf(config).find(({ owner }) => owner !== undefined && !known.has(owner))?.owner;
  if (stranger === undefined) return;
  const why = leftOut.includes(stranger)
    ? ' It stays out of this run: too few rows (min_examples).'
    : didYouMean(stranger, ids);
  throw new ConfigError(
    `Expected questions (samples) of this run's owners (${namesOf(ids)}) but received one of "${shown(stranger)}".${why}`,
    { code: 'UNKNOWN_CLIENT' },
  );
}

/** Who answers what: an owner the questions of all (where it is one of the first) and its own. Throws as `checkQuestions`. */
export function dealQuestions(config: RunConfig, ids: readonly string[]): (owner?: string) => Question[] {
  checkQuestions(config, ids);
  const questions = questionsOf(config);
  const first = new Set(ids.slice(0, MAX_OWNERS));
  return (id) =>
    questions.filter(({ owner }) => (owner === undefined ? id === undefined || first.has(id) : owner === id));
}
