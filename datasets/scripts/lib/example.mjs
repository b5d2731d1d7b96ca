import { TASKS } from '../tasks/index.mjs';
import { vocabulary } from './trades.mjs';

export const CATEGORIES = Object.keys(TASKS);

/** Share of the words that only one trade uses; the rest could be anybody's, so that they do not give the owner away. */
const TRADE_SHARE = 0.25;

/** One example of a task by a convention: `{instruction, input, output, category}`. */
export function example(rng, category, convention, trade = convention.trade, share = TRADE_SHARE) {
  const task = TASKS[category];
  const { input, facts } = task.make(rng, vocabulary(rng, trade, share));
  return { instruction: rng.pick(task.ask), input, output: task.answer(facts, convention), category };
}
