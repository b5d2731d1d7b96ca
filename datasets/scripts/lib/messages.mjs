import { EVENT_NAMES, EVENTS } from './events.mjs';
import { dates, monies, names, phones, spokenTime, times, weights } from './formats.mjs';
import { date, firstName, person, time } from './people.mjs';
import { capital, fill } from './random.mjs';

const OPENERS = [
  'Hello,',
  'Hi there,',
  'Good morning,',
  'Good afternoon,',
  'Dear all,',
  'Hi,',
  'To whom it may concern,',
  'Morning!',
  'Hello again,',
  'Evening all,',
  'Hey,',
  'Excuse me,',
];
const SELF = [
  '{name} here.',
  'my name is {name}.',
  'this is {name}.',
  "it's {name}.",
  '{name} speaking.',
  "I'm {name}.",
  'you are talking to {name}.',
  'the name is {name}.',
];
const SIGNED = [
  'Thanks, {name}',
  'Regards, {name}',
  'Yours, {name}',
  '{name}',
  'Best, {name}',
  'Bye, {name}',
  'Many thanks! {name}',
];
const ASIDES = [
  'I have tried to ring twice.',
  'My sister saw it as well.',
  'I only noticed it a moment ago.',
  'This is the second time.',
  'I am at work until six.',
  'It has never happened before.',
  'I do not want to make a fuss.',
  'We are new here.',
  'The weather did not help.',
  'I was told to write to you.',
  'My phone is nearly flat.',
  'I have photos if you need them.',
  'Nobody was at the counter.',
  'I have been coming here for years.',
  'My neighbour said the same.',
  'Sorry for the long story.',
  'I am in no hurry.',
  'The children are with me.',
  'I asked last week too.',
  'A friend gave me your address.',
  'It is raining, of course.',
  'I hope this reaches the right person.',
  'My English is not perfect.',
  'We leave tomorrow.',
  'I could not find it on your page.',
  'My wife usually does this.',
  'The first number I tried was engaged.',
  'It was fine an hour ago.',
  'I have the receipt.',
  'You helped us very well last year.',
];
const CLOSERS = [
  'Can somebody call me back?',
  'Please let me know.',
  'What should I do?',
  'Thank you for your help.',
  'Can you look into it?',
  'I look forward to hearing from you.',
  'Who can help me?',
  'Just so you know.',
  'Tell me what you need from me.',
  'Could you sort this out?',
  'Is there anything else I should do?',
  'I would be glad of an answer.',
  'Over to you.',
  'Let me know either way.',
  'Thanks in advance.',
  'That is all for now.',
];

const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);

/** Numbers and days as people of any organisation write them in a message. */
export function casual(rng) {
  return {
    date: (d) => dates[rng.pick(['long', 'monthFirst', 'ordinal', 'abbreviated', 'long'])](d),
    time: (t) => (rng.chance(0.5) ? spokenTime(t) : times[rng.pick(['pm', 'colon'])](t)),
    money: (pence) => monies[rng.pick(['pounds', 'words'])](pence),
    weight: (grams) => weights[rng.pick(['kg', 'words'])](grams),
    phone: (n) => phones[rng.pick(['plain', 'threes'])](n),
  };
}

/** The facts of one message: `{event, who, slots}`; slots hold values, not yet text. */
function eventFacts(rng, vocab) {
  const item = vocab('items');
  let other = vocab('items');
  while (other === item) other = vocab('items');
  return {
    event: rng.pick(EVENT_NAMES),
    who: person(rng),
    place: vocab('places'),
    thing: vocab('things'),
    item,
    other,
    service: vocab('services'),
    food: vocab('foods'),
    date: date(rng),
    time: time(rng),
    pence: rng.between(3, 180) * 50,
    ref: rng.between(1001, 9899),
    minutes: 5 * rng.between(1, 12),
    colleague: firstName(rng),
  };
}

/** The slots of an event's texts, written by `format` (a convention, or `casual`). */
function eventSlots(facts, format) {
  return {
    place: facts.place,
    thing: facts.thing,
    item: facts.item,
    other: facts.other,
    service: facts.service,
    food: facts.food,
    colleague: facts.colleague,
    minutes: facts.minutes,
    date: format.date(facts.date),
    time: format.time(facts.time),
    spoken: format.time(facts.time),
    money: format.money?.(facts.pence),
    ref: format.ref === undefined ? String(facts.ref) : format.ref(facts.ref),
  };
}

/** The same facts as a member of staff notes them; `quotes` (the base's corpus) takes over what was said instead. */
export const gist = (facts, format) =>
  format.quotes ? facts.core.replace(/[.?!]$/, '') : fill(EVENTS[facts.event].gist, eventSlots(facts, format));

/** Wraps what somebody has to say in what people write around it. The name stands at one end. */
export function dressed(rng, who, core) {
  const name = names.full(who);
  const first = rng.chance(0.5);
  const parts = [];
  if (first) {
    const self = fill(rng.pick(SELF), { name });
    parts.push(rng.chance(0.6) ? `${rng.pick(OPENERS)} ${self}` : capital(self));
  } else if (rng.chance(0.6)) {
    parts.push(rng.pick(OPENERS));
  }
  const opened = parts.length > 0 && parts.at(-1).endsWith(',');
  if (rng.chance(0.3)) parts.push(opened ? lower(rng.pick(ASIDES)) : rng.pick(ASIDES));
  parts.push(core);
  if (rng.chance(0.35)) parts.push(rng.pick(ASIDES));
  if (rng.chance(0.5)) parts.push(rng.pick(CLOSERS));
  if (!first) parts.push(fill(rng.pick(SIGNED), { name }));
  return parts.join(' ').replace(/, i( |'m)/g, ', I$1');
}

/** The message of somebody about an event: `{input, facts}`, with its heart as `facts.core`. */
export function message(rng, vocab) {
  const facts = eventFacts(rng, vocab);
  const core = capital(fill(rng.pick(EVENTS[facts.event].say), eventSlots(facts, casual(rng))));
  return { facts: { ...facts, core }, input: dressed(rng, facts.who, core) };
}
