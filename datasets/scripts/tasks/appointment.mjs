import { casual, dressed } from '../lib/messages.mjs';
import { date, person, time } from '../lib/people.mjs';
import { capital, fill } from '../lib/random.mjs';

const SAY = [
  'Could I come on {date} at {time} for {service}?',
  'I would like to book {service} for {date}, {time} if you can.',
  'Is {time} on {date} free? It is about {service}.',
  'I need {service} and could be there on {date} at {time}.',
  'Would {date} suit you for {service}? I can do {time}.',
  'Please put me down for {service}, {date}, {time}.',
  'About {service}: {time} on {date} works for me.',
  'We spoke about {service}. Let us say {date} at {time}.',
  'Can you fit in {service} on {date}? Any time from {time}.',
  'For {service} I can only do {date}, at {time}.',
];

export const appointment = {
  ask: [
    'Confirm the appointment.',
    'Write a confirmation for this booking.',
    'Answer with an appointment confirmation.',
    'Confirm the date and time to the customer.',
    'Send a confirmation.',
    'Turn this request into a confirmed appointment.',
  ],
  make(rng, vocab) {
    const facts = { who: person(rng), date: date(rng), time: time(rng), service: vocab('services') };
    const write = casual(rng);
    const core = fill(rng.pick(SAY), {
      service: facts.service,
      date: write.date(facts.date),
      time: write.time(facts.time),
    });
    return { facts, input: dressed(rng, facts.who, capital(core)) };
  },
  answer({ who, date: day, time: at, service }, c) {
    const text = fill(c.say.confirm, {
      name: c.name(who),
      date: c.date(day),
      time: c.time(at),
      service: c.what(service),
    });
    const minutes = at.hour * 60 + at.minute;
    if (minutes < c.rules.early) return text + c.say.early;
    return minutes >= c.rules.late ? text + c.say.late : text;
  },
};
