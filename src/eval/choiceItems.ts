import { scalarText } from '../data/columns.js';
import {
  type PromptTemplate,
  resolveDataFiles,
  type TokenizedExample,
  type TokenizeOptions,
  tokenizeExample,
} from '../data/index.js';
import { readRows } from '../data/rows/index.js';
import { ConfigError, DataError } from '../errors.js';
import type { BaseModel, Tokenizer } from '../model/index.js';
import type { Item } from './items.js';

/** A question with its possible answers. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly choices: readonly string[];
  /** Index of the right one. */
  readonly answer: number;
  readonly owner: string | undefined;
  readonly category: string | undefined;
}

/** A question as one sequence a choice, whose targets are the tokens of the choice. */
export interface TokenizedQuestion {
  readonly question: Question;
  readonly items: readonly Item[];
}

/** What a question becomes where nothing else is said, as lm-evaluation-harness' tasks mostly have it. */
export const QUESTION_PROMPT = 'Question: {question}\nAnswer:';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The index that `answer` means: a number counts from 0, a text is a choice or its letter. */
function answerOf(answer: unknown, choices: readonly string[]): number | undefined {
  if (typeof answer !== 'string') {
    const index = Number(scalarText(answer ?? '') || Number.NaN);
    return choices[index] === undefined ? undefined : index;
  }
  const said = choices.indexOf(answer);
  if (said >= 0) return said;
  const letter = /^[A-Za-z]$/.test(answer) ? answer.toUpperCase().charCodeAt(0) - 65 : -1;
  return choices[letter] === undefined ? undefined : letter;
}

/** Why a row is no question, or what it asks. */
function understand(value: unknown): Pick<Question, 'question' | 'choices' | 'answer' | 'category'> | string {
  if (typeof value !== 'object' || value === null) return 'it is not an object';
  const row = value as Record<string, unknown>;
  if (!isText(row.question)) return '"question" is no text';
  const choices = Array.isArray(row.choices) ? row.choices.map((choice) => scalarText(choice ?? '')) : [];
  if (choices.length < 2 || !choices.every(isText)) return '"choices" is no list of two texts or more';
  const answer = answerOf(row.answer, choices);
  if (answer === undefined)
    return `"answer" is no index (from 0), letter or text of one of its ${choices.length} choices`;
  const category = row.category ?? row.subject;
  return { question: row.question, choices, answer, category: isText(category) ? category : undefined };
}

/**
 * Reads `{question, choices, answer}` rows; `category` (or `subject`) is theirs, a file or folder is an owner. Throws DataError
 * BAD_ROW on a row that is no question: one left out would change an accuracy; NO_EXAMPLES.
 */
export async function loadQuestions(
  specs: readonly string[],
  options: { readonly encoding?: string; readonly limit?: number | undefined } = {},
): Promise<Question[]> {
  const { encoding = 'utf-8', limit = Number.POSITIVE_INFINITY } = options;
  const questions: Question[] = [];
  for (const file of await resolveDataFiles(specs.length === 1 ? specs[0]! : specs)) {
    let count = 0;
    for await (const { line, value, error } of readRows({ path: file.path, encoding })) {
      if (count === limit) break;
      const understood = error ?? understand(value);
      if (typeof understood === 'string') {
        throw new DataError('BAD_ROW', `Row ${line} of ${file.path} cannot be used: ${understood}.`);
      }
      questions.push({ id: `${file.label}:${line}`, owner: file.owner, ...understood });
      count++;
    }
  }
  if (questions.length === 0)
    throw new DataError('NO_EXAMPLES', `Expected questions in ${specs.join(', ')} but there are none.`);
  return questions;
}

/** Ids of a prompt and a continuation, cut where the ids of the prompt alone end; spaces between belong to the continuation. */
function encodePair(prompt: string, continuation: string, tokenizer: Tokenizer): { ids: number[]; targets: number } {
  const context = prompt.trimEnd();
  const whole = tokenizer.encode(prompt + continuation);
  const before = tokenizer.encode(context).length;
  const { addBos, bosId } = tokenizer;
  const ids = addBos && bosId !== undefined ? [bosId, ...whole] : whole;
  return { ids, targets: whole.length - before };
}

/** Places of a prompt text. Throws ConfigError where it has no `{question}`. */
function fill(prompt: string, question: string): string {
  if (prompt.includes('{question}')) return prompt.replaceAll('{question}', () => question);
  throw new ConfigError(`Expected --choices-prompt to hold {question}, or to be "template", but received "${prompt}".`);
}

/** A question with one of its choices. Throws DataError TOO_LONG, NO_TARGETS. */
function sequenceOf(
  id: string,
  prompt: string,
  choice: string,
  { tokenizer, description }: BaseModel,
): TokenizedExample {
  const { ids, targets } = encodePair(prompt, ` ${choice}`, tokenizer);
  if (ids.length > description.contextLength) {
    const context = description.contextLength;
    throw new DataError(
      'TOO_LONG',
      `Question ${id} has ${ids.length} tokens, over the context of the base, ${context}.`,
    );
  }
  if (targets < 1 || targets >= ids.length) {
    throw new DataError('NO_TARGETS', `Question ${id} gives no token to its choice, or none to its question.`);
  }
  return { id, tokens: Int32Array.from(ids), lossMask: new Uint8Array(ids.length).fill(1, ids.length - targets) };
}

function templatedSequence(id: string, question: string, choice: string, options: TokenizeOptions): TokenizedExample {
  const result = tokenizeExample({ id, instruction: question, input: '', output: choice }, options);
  if ('dropped' in result) throw new DataError('NO_TARGETS', `Question ${id} cannot be asked: ${result.reason}.`);
  return result.example;
}

/**
 * Questions as sequences. `prompt`: a text with the place `{question}`, to which each choice is added behind a space, or a prompt
 * template, whose answer a choice is (with its end token). Throws DataError TOO_LONG where one is longer than the base's context,
 * NO_TARGETS.
 */
export function tokenizeQuestions(
  questions: readonly Question[],
  model: BaseModel,
  prompt: string | PromptTemplate,
): TokenizedQuestion[] {
  const { tokenizer, description } = model;
  const make = (id: string, { question }: Question, choice: string): TokenizedExample =>
    typeof prompt === 'string'
      ? sequenceOf(id, fill(prompt, question), choice, model)
      : templatedSequence(id, question, choice, {
          ...{ tokenizer, template: prompt, seqLength: description.contextLength },
          ...{ onLong: 'error', onBadRow: 'fatal' },
        });
  return questions.map((question) => ({
    question,
    items: question.choices.map((choice, i) => {
      const { id, owner, category } = question;
      return { ...make(`${id}/${i}`, question, choice), owner, category };
    }),
  }));
}
