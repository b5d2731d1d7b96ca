import { casual } from '../lib/messages.mjs';
import { date, firstName, later } from '../lib/people.mjs';
import { fill } from '../lib/random.mjs';

const SAY = [
  '{who} has to {chore} by {date}.',
  '{who} should {chore} before {date}.',
  '{who} promised to {chore} on {date}.',
  'On {date} {who} will {chore}.',
  'Ask {who} to {chore}, {date} at the latest.',
  '{who} can {chore}, say {date}.',
  'By {date}, {who} needs to {chore}.',
];
const LEAD = [
  '',
  '',
  '',
  'From the meeting: ',
  'Before I go on leave: ',
  'Short handover. ',
  'As agreed: ',
  'For the team: ',
  'What is left: ',
  'Notes of this morning. ',
];

/** Position of a day in the year. */
const position = ({ month, day }) => 100 * month + day;

export const todo = {
  ask: [
    'Make a to-do list.',
    'List who does what by when.',
    'Turn the note into tasks.',
    'Write the tasks from this note.',
    'Set up the task list.',
    'What has to be done, by whom and when?',
  ],
  make(rng, vocab) {
    const start = date(rng);
    const facts = [];
    const size = rng.between(2, 3);
    while (facts.length < size) {
      const task = { who: firstName(rng), chore: vocab('chores'), date: later(start, rng.int(9)) };
      const fresh = facts.every((other) => other.chore !== task.chore && position(other.date) !== position(task.date));
      if (fresh && task.date.weekday < 6) facts.push(task);
    }
    const write = casual(rng);
    const said = facts.map(({ who, chore, date: day }) => fill(rng.pick(SAY), { who, chore, date: write.date(day) }));
    return { facts, input: rng.pick(LEAD) + said.join(' ') };
  },
  answer(tasks, c) {
    const sorted = c.rules.byDate ? tasks.toSorted((a, b) => position(a.date) - position(b.date)) : tasks;
    const lines = sorted.map(({ who, chore, date: day }) =>
      fill(c.say.task, { who, chore: c.what(chore), date: c.date(day) }),
    );
    return c.tasks(lines);
  },
};
