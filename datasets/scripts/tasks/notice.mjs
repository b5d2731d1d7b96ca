import { names } from '../lib/formats.mjs';
import { casual } from '../lib/messages.mjs';
import { date, firstName, later, person } from '../lib/people.mjs';
import { capital, fill } from '../lib/random.mjs';

const REASONS = [
  'a part is missing',
  'the van broke down',
  '{colleague} is ill',
  'the supplier is closed',
  'the roads are icy',
  'the computer crashed',
  'there was a power cut',
  'the driver got lost',
  'we wait for a signature',
  'the machine needs repair',
  'the office is shut',
  'two people are away',
  'the papers are not complete',
  'the key went missing',
];
const SAY = [
  '{name} expects {service} on {old}. It will be {new} because {reason}, order {ref}.',
  'Order {ref} ({service}, {name}) moves from {old} to {new}, because {reason}.',
  'Because {reason}, {service} for {name} cannot be on {old}. New day {new}. Number {ref}.',
  'Tell {name} that {service} is put off to {new}. It was {old}. The number is {ref}, and it is because {reason}.',
  '{new} instead of {old} for {service}, {name}, order {ref}, because {reason}.',
  'We cannot do {service} on {old} because {reason}. {name} should come on {new}, order {ref}.',
  'Number {ref}, {name}: {service} was planned for {old}, now {new} because {reason}.',
];
const REST = [
  '',
  '',
  '',
  ' Be nice.',
  ' Do it today.',
  ' I tried to ring.',
  ' This is the second change.',
  ' No answer by phone.',
];

export const notice = {
  ask: [
    'Tell the customer about the change.',
    'Write a notice to the customer.',
    'Inform the customer of the new date.',
    'Let the customer know.',
    'Write the customer a note about the delay.',
    'Explain the delay to the customer.',
  ],
  make(rng, vocab) {
    const old = date(rng);
    let next = later(old, rng.between(1, 10));
    if (next.weekday === 6) next = later(next, 1);
    const facts = {
      who: person(rng),
      service: vocab('services'),
      old,
      next,
      ref: rng.between(1001, 9899),
      reason: fill(rng.pick(REASONS), { colleague: firstName(rng) }),
    };
    const write = casual(rng);
    const input = fill(rng.pick(SAY) + rng.pick(REST), {
      name: names.full(facts.who),
      service: facts.service,
      old: write.date(old),
      new: write.date(next),
      ref: String(facts.ref),
      reason: facts.reason,
    });
    return { facts, input: capital(input) };
  },
  answer: ({ who, service, old, next, ref, reason }, c) =>
    fill(c.say.notice, {
      name: c.name(who),
      service: c.what(service),
      old: c.date(old),
      new: c.date(next),
      ref: c.ref(ref),
      reason: c.what(reason),
    }),
};
