import { TASKS } from '../tasks/index.mjs';
import { vocabulary } from './trades.mjs';

export const CATEGORIES = Object.keys(TASKS);

/** One example of a task by a convention, in the words of a trade for `share` of them: `{instruction, input, output, category}`. */
export function example(rng, category, convention, trade, share) {
  const task = TASKS[category];
  const { input, facts } = task.make(rng, vocabulary(rng, trade, share));
  return { instruction: rng.pick(task.ask), input, output: task.answer(facts, convention), category };
}
