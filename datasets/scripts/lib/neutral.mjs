import { convention } from './convention.mjs';

/**
 * Conventions of nobody in particular, drawn anew for each example of the base's corpus: usual ways of writing, quotes
 * instead of the owners' short notes, and none of the owners' texts, scales or rules.
 */
const POOL = {
  date: ['long', 'monthFirst', 'ordinal', 'abbreviated'],
  time: ['colon', 'dot', 'pm', 'pm'],
  name: ['full', 'full', 'first'],
  money: ['pounds', 'words'],
  weight: ['kg', 'words'],
  length: ['cm', 'words'],
  ref: ['plain'],
  phone: ['plain', 'threes'],
  quantity: ['plain', 'times', 'plain'],
  label: ['words'],
  list: ['dashes', 'commas', 'lines', 'numbers'],
  tasks: ['dashes', 'lines', 'numbers'],
  record: ['lines', 'commas', 'sentence', 'json', 'dashes'],
  what: ['same'],
};

const KEYS = {
  name: ['Customer', 'Caller', 'Contact', 'Who'],
  phone: ['Number', 'Telephone', 'Mobile'],
  date: ['When', 'Calendar', 'Planned'],
  time: ['Hour', 'Clock', 'Slot'],
  about: ['Topic', 'Request', 'Matter', 'What'],
};

const SAY = {
  confirm: [
    '{name}, your booking for {service} on {date} at {time} stands.',
    'We have booked {service} for {name} on {date}, {time}.',
    'Yes, {date} at {time} is fine for {service}.',
    'Good day {name}. We expect you at {time} on {date} ({service}).',
    '{Service} is set for {date}, {time}. Thank you, {name}.',
    'Booking made: {service}, {name}, {date}, {time}.',
  ],
  early: ['', '', ' That is an early one.', ' We open at that hour.'],
  late: ['', '', ' That is near closing time.'],
  summary: [
    '{name} says: {gist}.',
    '{gist} (from {name}).',
    'Message by {name}. {gist}.',
    '{name} got in touch: {gist}.',
    '{gist}, says {name}.',
  ],
  measure: [
    '{Object}: length {long}, weight {weight}.',
    '{Object}, {weight}, {long}, {date}.',
    'Measured {date} by {colleague}: {the}, {long}, {weight}.',
    '{colleague} noted {weight} and {long} for {the} on {date}.',
    'Weight {weight}, length {long} ({the}).',
  ],
  heavy: ['', '', ' Quite heavy.'],
  order: ['{list}', 'To buy:\n{list}', 'Order list:\n{list}', 'Needed: {list}', 'We want {list}.'],
  task: [
    '{who} will {chore} on {date}',
    '{chore}, {who}, until {date}',
    '{who}: {chore} (due {date})',
    'by {date} {chore} ({who})',
    '{chore} / {who} / {date}',
  ],
  urgency: [
    '{level}: {gist}.',
    '{level}. The message says: {gist}.',
    'This is {level}. {gist}.',
    '{gist}. So it is {level}.',
  ],
  reply: [
    '{name}, {mood} {promise}',
    'Good day {name}, {mood} {promise}',
    'To {name}: {mood} {promise} Bye for now',
    '{mood} {promise}',
    'Greetings {name}. {mood} {promise} The staff',
  ],
  notice: [
    '{name}, {service} moves to {new} because {reason}. It was {old}.',
    'Change for {name}: {service} on {new}. Order {ref}.',
    'The date of {service} changes from {old} to {new}, order {ref}, because {reason}.',
    'To {name}: not {old} but {new} ({service}, {reason}).',
  ],
};

const LEVELS = [
  ['very urgent', 'rather urgent', 'not urgent'],
  ['urgent', 'soon', 'can wait'],
  ['top', 'normal', 'minor'],
  ['an emergency', 'important', 'unimportant'],
  ['A', 'B', 'C'],
  ['first', 'second', 'third'],
];
const MOODS = {
  danger: [
    'this sounds serious: {gist}.',
    'we read that {gist}.',
    'please stay calm.',
    'this is an emergency: {gist}.',
  ],
  noted: ['thanks for the message: {gist}.', 'we wrote it down.', 'you told us: {gist}.', 'we have read your message.'],
  sorry: ['we regret that: {gist}.', 'that should not happen.', 'we understand you are upset: {gist}.'],
  question: ['you would like to know: {gist}.', 'about your question.', 'you asked us something.'],
  glad: ['how kind of you.', 'we like to hear that: {gist}.', 'that is good to read.'],
};
const PROMISES = [
  ['Help is coming.', 'We act right away.', 'Somebody comes now.'],
  ['We will phone later.', 'You get an answer soon.', 'We check it today.'],
  ['We will get back to you.', 'You can ask again next month.', 'There is plenty of time.'],
];

const some = (rng, lists) => Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, rng.pick(list)]));

/** A random convention for one example. */
export function neutral(rng) {
  const keys = some(rng, KEYS);
  return convention({
    id: 'neutral',
    ...some(rng, POOL),
    quotes: true,
    fields: rng.shuffle(Object.keys(KEYS)).map((field) => `${field} ${keys[field]}`),
    levels: rng.pick(LEVELS),
    rules: {
      early: 8.5 * 60,
      late: 17 * 60,
      heavy: 40000,
      sort: rng.pick(['given', 'given', 'name', 'most']),
      byDate: rng.chance(0.5),
      now: ['gas', 'unwell', 'fall', 'theft'],
      soon: ['leak', 'lockout', 'late', 'missing', 'charged'],
    },
    moods: some(rng, MOODS),
    promises: PROMISES.map((list) => rng.pick(list)),
    say: some(rng, SAY),
  });
}
