import { l as rougeL, n as rougeN } from 'js-rouge';

/** What an answer is worth beside the right one; shares. */
export interface AnswerScore {
  /** 1 where they are the same but for white space at the ends, else 0. */
  readonly exact: number;
  /** F1 of the words that both have. */
  readonly rouge1: number;
  /** F1 of the longest common subsequence of words. */
  readonly rougeL: number;
}

/** Runs of letters and digits of any script, in lower case; of English those of the PyPI package rouge-score without its stemmer. */
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** ROUGE-1 and ROUGE-L as Lin 2004 has them, without stemming; 0 where one of the two has no word. */
export function scoreAnswer(answer: string, reference: string): AnswerScore {
  const exact = answer.trim() === reference.trim() ? 1 : 0;
  if (wordsOf(answer).length === 0 || wordsOf(reference).length === 0) return { exact, rouge1: 0, rougeL: 0 };
  const options = { tokenizer: wordsOf };
  // One sequence: sentence by sentence it would be ROUGE-Lsum.
  const whole = { ...options, segmenter: (text: string) => [text] };
  return { exact, rouge1: rougeN(answer, reference, { n: 1, ...options }), rougeL: rougeL(answer, reference, whole) };
}
