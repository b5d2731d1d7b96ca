import { EVENT_NAMES, EVENTS } from './events.mjs';
import { dates, lengths, monies, NUMBERS, names, spokenTime, times, weights } from './formats.mjs';
import { message } from './messages.mjs';
import { date, firstName, person, time } from './people.mjs';
import { capital, fill } from './random.mjs';
import { TRADES, vocabulary } from './trades.mjs';

const SENTENCES = [
  'People often come in for {service}.',
  '{colleague} keeps {item} next to {place}.',
  'On {date} we had to close {place} for an hour.',
  'If someone forgets {article} {thing}, it goes to {place}.',
  'The bill for {service} was {money}.',
  '{Object} is {long} long and weighs {weight}.',
  'Every {weekday} {colleague} has to {chore}.',
  'The team meets at {time} in {place}.',
  'Nobody likes to {chore}, so they take turns.',
  'We ordered {n} {item} and got {m} of them.',
  '{name} asked about {service} and left at {time}.',
  'From {date} on, {place} opens at {time}.',
  'It takes two people to carry {object} through {place}.',
  '{colleague} and {other} share {place} on {weekday}s.',
  '{name} paid {money} for {service}.',
  'At {time} the phone rang, it was {name}.',
  'A sign in {place} says how to reach us.',
  'The store holds {item}, {items} and old papers.',
  'When there is a {label}, {colleague} writes it down.',
  'We call it a {label} when a customer writes: "{say}"',
  '{colleague} said: "{say}"',
  'Customers can bring {food} into {place}, but not into the office.',
  'First {chore}, then {chores}, said {colleague}.',
  'The weight of {object} is {weight}.',
  'A list has {n} lines, a short one has {m}.',
  '{time} is the same as {sameTime}.',
  '{fullDate} is also written {abbreviated}.',
  'Half of {item} went to {place}.',
  'Please tell {name} that {service} is ready.',
];

/** A paragraph about work in some trade, in no one's conventions. */
export function prose(rng) {
  const vocab = vocabulary(rng, rng.pick(Object.keys(TRADES)), 0.6);
  const sentence = () => {
    const when = date(rng);
    const at = time(rng);
    const { facts } = message(rng, vocab);
    const say = facts.core;
    return capital(
      fill(rng.pick(SENTENCES), {
        service: vocab('services'),
        colleague: firstName(rng),
        other: firstName(rng),
        item: vocab('items'),
        items: vocab('items'),
        place: vocab('places'),
        thing: vocab('things'),
        article: rng.pick(['a', 'the', 'their']),
        object: vocab('objects'),
        chore: vocab('chores'),
        chores: vocab('chores'),
        food: vocab('foods'),
        name: names.full(person(rng)),
        date: dates[rng.pick(['long', 'monthFirst', 'ordinal'])](when),
        fullDate: dates.long(when),
        abbreviated: dates.abbreviated(when),
        weekday: dates.long(when).split(' ')[0],
        time: rng.pick([spokenTime, times.pm, times.colon])(at),
        sameTime: times.colon(at),
        money: monies[rng.pick(['pounds', 'words'])](rng.between(3, 180) * 50),
        long: lengths.cm(rng.between(31, 280)),
        weight: weights[rng.pick(['kg', 'words'])](100 * rng.between(11, 449)),
        n: NUMBERS[rng.between(2, 12)],
        m: String(rng.between(2, 40)),
        label: EVENTS[rng.pick(EVENT_NAMES)].label,
        say,
      }),
    );
  };
  return Array.from({ length: rng.between(2, 5) }, sentence).join(' ');
}
