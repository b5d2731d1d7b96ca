import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { checkQuestions, dealQuestions } from '../../../src/run/questions.js';

const asked = (owner: string) => parseConfig({ samples: ['Who?', { owner, question: 'When?' }] });

it('refuses a question of an owner that is none, and says who there are', () => {
  const ids = Array.from({ length: 1000 }, (_, i) => `owner ${i}`);
  expect(() => checkQuestions(asked('owner 7'), ids)).not.toThrow();
  expect(() => checkQuestions(asked('ownr 7'), ids)).toThrow(
    /owner 19, and 980 more\) .* "ownr 7"\. Did you mean "owner 7"\?$/,
  );
  expect(() => checkQuestions(asked('somebody else entirely'), ids)).toThrow(/"somebody else entirely"\.$/);
});

it('says of an owner that stays out of the run why', () => {
  expect(() => checkQuestions(asked('north'), ['south'], ['north'])).toThrow('It stays out of this run: too few rows');
});

it('asks the questions of all of the first owners, and each its own', () => {
  const ids = Array.from({ length: 30 }, (_, i) => `${i}`);
  const questions = dealQuestions(asked('29'), ids);
  expect(questions().map(({ text }) => text)).toEqual(['Who?']);
  expect(questions('23').map(({ text }) => text)).toEqual(['Who?']);
  expect(questions('24')).toEqual([]);
  expect(questions('29').map(({ text }) => text)).toEqual(['When?']);
});
