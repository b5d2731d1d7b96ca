import { EVENTS } from '../lib/events.mjs';
import { gist, message } from '../lib/messages.mjs';
import { fill } from '../lib/random.mjs';

export const summary = {
  ask: [
    'Summarise this message.',
    'Sum up the message in one line.',
    'Give a one-line summary.',
    'What is this message about?',
    'Shorten this for the handover.',
    'Put the message in a nutshell.',
  ],
  make: message,
  answer: (facts, c) =>
    fill(c.say.summary, {
      name: c.name(facts.who),
      label: c.label(EVENTS[facts.event].label),
      gist: c.what(gist(facts, c)),
    }),
};
