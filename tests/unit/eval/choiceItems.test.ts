import { describe, expect, it } from 'vitest';
import { resolveTemplate } from '../../../src/data/index.js';
import { loadQuestions, tokenizeQuestions } from '../../../src/eval/choiceItems.js';
import { answersOf } from '../../../src/eval/summarize.js';
import { loadModel } from '../../../src/model/index.js';
import { useFolder } from '../data/files.js';

const { put } = useFolder();
const row = (answer: unknown, more: object = {}) =>
  JSON.stringify({ question: 'Which?', choices: ['B', 'no', 'a dog'], answer, ...more });

describe('questions', () => {
  it('take an index from 0, a letter, or the text of a choice, which goes before a letter', async () => {
    const file = put('q.jsonl', `${row(2)}\n${row('C')}\n${row('a dog')}\n${row('B', { subject: 'pets' })}\n`);
    const questions = await loadQuestions([file]);
    expect(questions.map(({ answer }) => answer)).toEqual([2, 2, 2, 0]);
    expect(questions.map(({ category }) => category)).toEqual([undefined, undefined, undefined, 'pets']);
    expect(await loadQuestions([file], { limit: 2 })).toHaveLength(2);
  });

  it.each([
    [row(3), '"answer" is no index'],
    [row('D'), '"answer" is no index'],
    [row(1.5), '"answer" is no index'],
    [row(null), '"answer" is no index'],
    [JSON.stringify({ question: 'Which?', choices: ['one'], answer: 0 }), '"choices" is no list'],
    [JSON.stringify({ question: 'Which?', choices: ['one', ''], answer: 0 }), '"choices" is no list'],
    [JSON.stringify({ choices: ['a', 'b'], answer: 0 }), '"question" is no text'],
    ['[]', '"question" is no text'],
    ['broken', 'no valid JSON'],
  ])('refuse %s, naming file and row', async (line, why) => {
    const file = put('bad.jsonl', `${row(0)}\n${line}\n`);
    await expect(loadQuestions([file])).rejects.toMatchObject({
      code: 'BAD_ROW',
      message: expect.stringMatching(new RegExp(`Row 2 of .*bad\\.jsonl cannot be used: .*${why}`)),
    });
  });

  it('become sequences whose targets are the choice', async () => {
    const model = await loadModel('embedded');
    const questions = await loadQuestions([put('one.jsonl', row(0))]);
    const decoded = (prompt: Parameters<typeof tokenizeQuestions>[2]) =>
      tokenizeQuestions(questions, model, prompt)[0]!.items.map(({ tokens, lossMask }) => [
        model.tokenizer.decode(tokens, { special: true }),
        model.tokenizer.decode(tokens.filter((_, i) => lossMask[i] === 1)),
      ]);
    for (const [i, [whole, target]] of decoded('Q: {question}\nA:').entries()) {
      expect(whole).toContain(`Q: Which?\nA: ${['B', 'no', 'a dog'][i]}`);
      expect(target).toBe(` ${['B', 'no', 'a dog'][i]}`);
    }
    // A space that ends the prompt belongs to the choice, as in lm-evaluation-harness.
    expect(decoded('Q: {question} A: ')[1]![1]!.trim()).toBe('no');
    for (const [i, [, target]] of decoded(await resolveTemplate('auto', model)).entries()) {
      expect(target!.trim()).toBe(['B', 'no', 'a dog'][i]);
    }
  });

  it('need the place of the question in the prompt, and room in the context', async () => {
    const model = await loadModel('embedded');
    const questions = await loadQuestions([put('one.jsonl', row(0))]);
    expect(() => tokenizeQuestions(questions, model, 'no place')).toThrow(/to hold \{question\}/);
    const long = questions.map((one) => ({ ...one, question: 'word '.repeat(5000) }));
    expect(() => tokenizeQuestions(long, model, '{question}')).toThrow(/over the context of the base/);
  });

  it('are answered by the likeliest choice, and by the likeliest per letter; ties go to the first', () => {
    const question = {
      id: 'q',
      question: '',
      choices: ['a', '𝒳𝒳𝒳𝒳', 'bb'],
      answer: 0,
      owner: undefined,
      category: undefined,
    };
    const all = [question, question].map((one) => ({ question: one, items: [] }));
    const [first, second] = answersOf(all, Float64Array.from([2, 4, 3, 5, 5, 5]));
    expect(first).toEqual({ nll: [2, 4, 3], picked: 0, pickedNorm: 1 });
    expect(second).toEqual({ nll: [5, 5, 5], picked: 0, pickedNorm: 1 });
  });
});
