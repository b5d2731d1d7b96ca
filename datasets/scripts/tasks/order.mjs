import { NUMBERS } from '../lib/formats.mjs';
import { capital, fill } from '../lib/random.mjs';

const START = [
  'We need {list}.',
  'Please get {list}.',
  'Could somebody buy {list}?',
  'We are out of stock, so {list} please.',
  'For next week: {list}.',
  'The cupboard is empty. {list}, as soon as you can.',
  'Missing at the moment: {list}.',
  'I counted today and we lack {list}.',
  'Put {list} on the next order.',
  '{list} would do for this month.',
  'Ask the supplier for {list}.',
  'Before the holidays we should have {list}.',
];
const REST = [
  '',
  '',
  '',
  ' No hurry.',
  ' The last lot was too small.',
  ' Same supplier as always.',
  ' I can fetch it myself.',
  ' Thanks!',
  ' Use the petty cash.',
  ' And ask about a discount.',
  ' The van comes on Tuesday.',
  ' Check the cellar first.',
];

const joined = (parts) => `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;

/** How an organisation sorts its lists. */
const SORT = {
  given: (items) => items,
  name: (items) => items.toSorted((a, b) => (a.what < b.what ? -1 : 1)),
  most: (items) => items.toSorted((a, b) => b.count - a.count),
  fewest: (items) => items.toSorted((a, b) => a.count - b.count),
  reversed: (items) => items.toReversed(),
};

export const order = {
  ask: [
    'Make an order list.',
    'Write the order.',
    'List what to buy.',
    'Turn this into an order list.',
    'Prepare the order for the supplier.',
    'Put the items in a list.',
  ],
  make(rng, vocab) {
    const facts = [];
    const size = rng.between(2, 4);
    while (facts.length < size) {
      const what = vocab('items');
      const count = rng.chance(0.8) ? rng.between(2, 12) : 5 * rng.between(3, 12);
      if (facts.every((item) => item.what !== what && item.count !== count)) facts.push({ what, count });
    }
    const spoken = rng.chance(0.6);
    const said = facts.map(({ what, count }) => `${(spoken && NUMBERS[count]) || count} ${what}`);
    const input = fill(rng.pick(START) + rng.pick(REST), { list: joined(said) });
    return { facts, input: capital(input) };
  },
  answer(items, c) {
    const lines = SORT[c.rules.sort](items).map(({ what, count }) => c.quantity(count, c.what(what)));
    return fill(c.say.order, { list: c.list(lines) });
  },
};
