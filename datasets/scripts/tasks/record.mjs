import { names } from '../lib/formats.mjs';
import { casual } from '../lib/messages.mjs';
import { date, firstName, person, time } from '../lib/people.mjs';
import { capital, fill } from '../lib/random.mjs';

const SAY = [
  '{name} rang about {service}, wants a call on {date} at {time}. Number: {phone}.',
  'Spoke to {name} ({phone}). It is about {service}. Agreed on {date}, {time}.',
  'Note: {service} for {name}, {date} {time}, phone {phone}.',
  'Took a call at the desk, {name}, {phone}. Asked for {service}. I offered {date} at {time}.',
  'Please ring {name} on {phone} on {date} at {time}, {service}.',
  '{name} came in for {service} but had to leave. Back on {date}, {time}. Phone is {phone}.',
  'On {date} at {time} {name} expects our call on {phone}, the matter is {service}.',
  'Voicemail from {name}: {service}, best on {date} around {time}, number {phone}.',
  '{name} left a slip at the door. Wants {service}. Can be reached on {phone}, {date} at {time}.',
  'Booked {service} with {name} just now, {date}, {time}. If anything changes: {phone}.',
];
const STAFF = [
  '',
  '',
  '',
  ' {colleague} took it.',
  ' ({colleague})',
  ' {colleague} knows more.',
  ' Told {colleague} already.',
];

export const record = {
  ask: [
    'Turn this note into a record.',
    'Make a record of this.',
    'Enter the note in the book.',
    'Write this down as an entry.',
    'Create the entry for this call.',
    'Put this note in our form.',
  ],
  make(rng, vocab) {
    const phone = String(rng.between(201000, 989999));
    const facts = { who: person(rng), date: date(rng), time: time(rng), service: vocab('services'), phone };
    const write = casual(rng);
    const input = fill(rng.pick(SAY) + rng.pick(STAFF), {
      name: names.full(facts.who),
      service: facts.service,
      date: write.date(facts.date),
      time: write.time(facts.time),
      phone: write.phone(phone),
      colleague: firstName(rng),
    });
    return { facts, input: capital(input) };
  },
  answer(facts, c) {
    const values = {
      name: c.name(facts.who),
      date: c.date(facts.date),
      time: c.time(facts.time),
      about: c.what(facts.service),
      phone: c.phone(facts.phone),
    };
    return c.record(
      c.fields.map((field) => {
        const [name, key] = split(field);
        return [key, values[name]];
      }),
    );
  },
};

/** `name Guest`: the field and what it is called, which may be several words. */
function split(field) {
  const space = field.indexOf(' ');
  return [field.slice(0, space), field.slice(space + 1)];
}
