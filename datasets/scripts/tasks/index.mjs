import { appointment } from './appointment.mjs';
import { measure } from './measure.mjs';
import { notice } from './notice.mjs';
import { order } from './order.mjs';
import { record } from './record.mjs';
import { reply } from './reply.mjs';
import { summary } from './summary.mjs';
import { todo } from './todo.mjs';
import { urgency } from './urgency.mjs';

/**
 * The kinds of work that all organisations share. `ask`: wordings of the instruction; `make(rng, vocab)`: `{input,
 * facts}`; `answer(facts, c)`: what an organisation with conventions `c` answers.
 */
export const TASKS = { appointment, summary, record, measure, order, urgency, todo, reply, notice };
