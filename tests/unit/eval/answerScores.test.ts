import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scoreAnswer } from '../../../src/eval/answerScores.js';

const word = fc.constantFrom('open', 'Monday', 'the', 'shop', 'is', 'closed', 'ü', '3');
const mark = fc.constantFrom(' ', ' ', '. ', '.\n', ', ');
const text = fc.array(fc.tuple(word, mark), { maxLength: 12 }).map((words) => words.flat().join('').trimEnd());

/** Length of the longest common subsequence, by its definition. */
function common(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const [first, ...rest] = a;
  const at = b.indexOf(first!);
  const with_ = at < 0 ? 0 : 1 + common(rest, b.slice(at + 1));
  return Math.max(with_, common(rest, b));
}

describe('the score of an answer', () => {
  it('is that of the definitions', () => {
    fc.assert(
      fc.property(text, text, (answer, reference) => {
        const [a, b] = [answer, reference].map((one) =>
          one
            .toLowerCase()
            .split(/[ .,\n]+/)
            .filter((part) => part !== ''),
        );
        const left = [...b!];
        const both = a!.filter((part) => left.includes(part) && left.splice(left.indexOf(part), 1)).length;
        const f1 = (hits: number) => (a!.length + b!.length === 0 ? 0 : (2 * hits) / (a!.length + b!.length));
        const { exact, rouge1, rougeL } = scoreAnswer(answer, reference);
        expect(exact).toBe(answer === reference ? 1 : 0);
        expect(rouge1).toBeCloseTo(f1(both), 12);
        expect(rougeL).toBeCloseTo(f1(common(a!, b!)), 12);
      }),
    );
  });

  it.each([
    ['We open at nine.', 'we OPEN, at nine', { exact: 0, rouge1: 1, rougeL: 1 }],
    ['  Yes\n', 'Yes', { exact: 1, rouge1: 1, rougeL: 1 }],
    ['at nine we open', 'we open at nine', { exact: 0, rouge1: 1, rougeL: 0.5 }],
    ['Über die Brücke', 'über die brücke', { exact: 0, rouge1: 1, rougeL: 1 }],
    ['a. b.\nc', 'c', { exact: 0, rouge1: 0.5, rougeL: 0.5 }],
    ['', 'Yes', { exact: 0, rouge1: 0, rougeL: 0 }],
    ['!', '!', { exact: 1, rouge1: 0, rougeL: 0 }],
    ['', '', { exact: 1, rouge1: 0, rougeL: 0 }],
  ])('of %j against %j', (answer, reference, expected) => {
    expect(scoreAnswer(answer, reference)).toEqual(expected);
  });
});
