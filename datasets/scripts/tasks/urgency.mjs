import { EVENTS } from '../lib/events.mjs';
import { gist, message } from '../lib/messages.mjs';
import { fill } from '../lib/random.mjs';

/** 0: at once, 1: today, 2: when there is time; each organisation has its own view of what is urgent. */
export function levelOf(event, c) {
  if (c.rules.now.includes(event)) return 0;
  return c.rules.soon.includes(event) ? 1 : 2;
}

export const urgency = {
  ask: [
    'How urgent is this?',
    'Rate the urgency.',
    'Give the priority of this message.',
    'Does this need to be done at once?',
    'Sort this message by urgency.',
    'Which priority does this get?',
  ],
  make: message,
  answer: (facts, c) =>
    fill(c.say.urgency, {
      level: c.levels[levelOf(facts.event, c)],
      label: c.label(EVENTS[facts.event].label),
      gist: c.what(gist(facts, c)),
    }),
};
