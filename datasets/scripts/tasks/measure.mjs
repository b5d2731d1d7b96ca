import { lengths } from '../lib/formats.mjs';
import { casual } from '../lib/messages.mjs';
import { date, firstName } from '../lib/people.mjs';
import { capital, fill } from '../lib/random.mjs';

const SAY = [
  '{object} is {long} long and weighs {weight}, measured by {colleague} on {date}.',
  'On {date} {colleague} put {object} on the scales: {weight}. Length {long}.',
  '{colleague} measured {object} on {date}. {long} from end to end, {weight} in all.',
  'Checked {object} on {date}: weight {weight}, length {long}. {colleague} helped.',
  'The scales say {weight} for {object}. {colleague} taped it at {long} on {date}.',
  'For the file: {object}, {long}, {weight}. Done on {date} with {colleague}.',
  'We wondered about {object}. {colleague} found {long} and {weight} on {date}.',
  '{colleague} had a look at {object} on {date}, it comes to {weight} at a length of {long}.',
];
const REST = [
  '',
  '',
  '',
  ' It has to go upstairs.',
  ' The label was gone.',
  ' Nobody had written it down.',
  ' We may have to move it.',
  ' One corner is chipped.',
  ' Please keep this.',
  ' The old figure was wrong.',
  ' It looked bigger.',
  ' There is a scratch on it.',
];

export const measure = {
  ask: [
    'Report the measurement.',
    'Write up the measurement.',
    'Note the size and weight.',
    'Give the figures for the file.',
    'State the measurements our way.',
    'Enter the weight and the length.',
  ],
  make(rng, vocab) {
    const facts = {
      object: vocab('objects'),
      cm: rng.between(31, 280),
      grams: 100 * (rng.chance(0.3) ? 10 * rng.between(2, 45) : rng.between(11, 449)),
      colleague: firstName(rng),
      date: date(rng),
    };
    const write = casual(rng);
    const input = fill(rng.pick(SAY) + rng.pick(REST), {
      object: facts.object,
      long: lengths[rng.pick(['cm', 'words'])](facts.cm),
      weight: write.weight(facts.grams),
      colleague: facts.colleague,
      date: write.date(facts.date),
    });
    return { facts, input: capital(input) };
  },
  answer({ object, cm, grams, colleague, date: day }, c) {
    const text = fill(c.say.measure, {
      the: c.what(object),
      object: c.what(object.replace(/^the /, '')),
      long: c.length(cm),
      weight: c.weight(grams),
      colleague,
      date: c.date(day),
    });
    return grams >= c.rules.heavy ? text + c.say.heavy : text;
  },
};
