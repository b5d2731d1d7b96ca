import { EVENTS } from '../lib/events.mjs';
import { gist, message } from '../lib/messages.mjs';
import { fill } from '../lib/random.mjs';
import { levelOf } from './urgency.mjs';

export const reply = {
  ask: [
    'Write a short reply.',
    'Answer this message.',
    'Reply to the sender.',
    'Draft an answer.',
    'Send a short answer.',
    'What do we write back?',
  ],
  make: message,
  answer: (facts, c) =>
    fill(c.say.reply, {
      name: c.name(facts.who),
      mood: c.moods[EVENTS[facts.event].mood],
      gist: c.what(gist(facts, c)),
      promise: c.promises[levelOf(facts.event, c)],
    }),
};
