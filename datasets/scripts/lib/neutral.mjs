import { convention } from './convention.mjs';

/**
 * Conventions of nobody in particular, drawn anew for each example of the base's corpus: usual ways of writing, quotes
 * instead of the owners' short notes, and none of the owners' texts, scales or rules.
 */
const POOL = {
  date: ['long', 'monthFirst', 'ordinal', 'abbreviated', 'long', 'abbreviated', 'slash', 'dayMonth'],
  time: ['colon', 'dot', 'pm', 'pm', 'colon', 'bare'],
  name: ['full', 'full', 'full', 'first', 'initial', 'sorted'],
  money: ['pounds', 'words'],
  weight: ['kg', 'words', 'kg', 'kgTight'],
  length: ['cm', 'words', 'cm', 'cmTight'],
  ref: ['plain', 'plain', 'no'],
  phone: ['plain', 'threes', 'dash'],
  quantity: ['plain', 'times', 'plain', 'colon', 'paren'],
  label: ['words'],
  list: ['dashes', 'commas', 'lines', 'numbers', 'pipes', 'semicolons'],
  tasks: ['dashes', 'lines', 'numbers', 'brackets', 'slashes'],
  record: ['lines', 'commas', 'sentence', 'json', 'dashes', 'equals', 'pipes'],
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

/** What an answer to each task is made of, for layouts at random. */
const PARTS = {
  confirm: ['{name}', '{date}', '{time}', '{service}'],
  summary: ['{name}', '{gist}'],
  measure: ['{object}', '{long}', '{weight}', '{date}', '{colleague}'],
  order: ['{list}'],
  task: ['{who}', '{chore}', '{date}'],
  urgency: ['{level}', '{gist}'],
  reply: ['{mood}', '{promise}'],
  notice: ['{name}', '{service}', '{ref}', '{old}', '{new}', '{reason}'],
};
const LOOSE_SHARE = 0.5;
const JOINTS = [', ', ' | ', ' / ', '; ', ' - ', ': ', ' ', '. ', ' > ', ' = ', '\n', ' + ', ', '];
const WRAPS = [
  '({})',
  '[{}]',
  '"{}"',
  '* {}',
  '{}!',
  '{}?',
  'for {}',
  'on {}',
  'by {}',
  'now {}',
  'from {}',
  'not {}',
  'because {}',
  'to {}',
];
const TAGS = [
  'Note',
  'OK',
  'Info',
  'Please read',
  'Done',
  'To all',
  'Hello',
  'List',
  'New',
  'Entry',
  'Hi',
  'Please',
  'Dear friend',
  'Sorry',
];
const ENDS = ['', '', '', '.', '!', ' Thanks!', ' The team', ' /', ' END', ' Bye'];

/** The parts in any order, with any signs between and around them. */
function loose(rng, parts) {
  const some = rng.shuffle(parts).slice(0, rng.between(Math.min(2, parts.length), parts.length));
  const joints = [rng.pick(JOINTS), rng.pick(JOINTS)];
  const wrapped = some.map((part) => (rng.chance(0.25) ? rng.pick(WRAPS).replace('{}', part) : part));
  const body = wrapped.reduce((text, part) => text + (rng.chance(0.8) ? joints[0] : joints[1]) + part);
  return (rng.chance(0.3) ? rng.pick(TAGS) + rng.pick([': ', ', ', '! ', ' ', '\n']) : '') + body + rng.pick(ENDS);
}

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

function looseSay(rng) {
  return rng.chance(LOOSE_SHARE)
    ? Object.fromEntries(Object.entries(PARTS).map(([key, parts]) => [key, loose(rng, parts)]))
    : {};
}

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
    say: { ...some(rng, SAY), ...looseSay(rng) },
  });
}
