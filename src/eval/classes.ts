import type { RunConfig } from '../config/schema.js';
import { type Example, resolveTemplate, tokenizeExample, tokenizeOptionsOf } from '../data/index.js';
import { DataError } from '../errors.js';
import type { BaseModel } from '../model/index.js';
import { byCode } from '../order.js';
import type { TokenizedQuestion } from './choiceItems.js';
import { type DataChoice, referenceOf, scoredRows } from './dataItems.js';

/** More labels than this are answers of their own rather than classes. */
const MAX_LABELS = 100;

/** The example with another answer. */
function withAnswer(example: Example, output: string): Example {
  const { messages } = example;
  if (messages === undefined) return { ...example, output };
  return { ...example, output, messages: messages.with(-1, { ...messages.at(-1)!, content: output }) };
}

function labelsOf(examples: readonly Example[]): string[] {
  const labels = [...new Set(examples.map(referenceOf))].sort(byCode);
  if (labels.length >= 2 && labels.length <= MAX_LABELS && labels.every((label) => label !== '')) return labels;
  throw new DataError(
    'NO_CLASSES',
    `Expected 2 to ${MAX_LABELS} different answers, which are the classes, but these examples have ${labels.length}` +
      `${labels.includes('') ? ', an empty one among them' : ''}.`,
  );
}

/**
 * Examples whose answers are classes, as questions whose choices are all of these, asked by the prompt template that was trained. Throws
 * DataError NO_CLASSES, NO_TARGETS, TOO_LONG: one left out would change an accuracy.
 */
export async function loadClasses(
  config: RunConfig,
  model: BaseModel,
  choice: DataChoice,
): Promise<{ readonly labels: readonly string[]; readonly questions: readonly TokenizedQuestion[] }> {
  const { examples } = await scoredRows(config, choice);
  const labels = labelsOf(examples);
  const template = await resolveTemplate(config.template, model);
  const options = { ...tokenizeOptionsOf({ ...config, on_long: 'error', train_on: 'response' }, model, template) };
  const questions = examples.map((example): TokenizedQuestion => {
    const { id, instruction, owner, category } = example;
    const items = labels.map((label, i) => {
      const result = tokenizeExample(withAnswer(example, label), options);
      if (!('dropped' in result)) return { ...result.example, id: `${id}/${i}`, owner, category };
      throw new DataError('NO_TARGETS', `Example ${id} cannot be classified: ${result.reason}.`);
    });
    const answer = labels.indexOf(referenceOf(example));
    return { question: { id, question: instruction, choices: labels, answer, owner, category }, items };
  });
  return { labels, questions };
}

/**
 * Macro F1 as scikit-learn has it: the mean of the F1 of every class that is right or picked somewhere. `pick`: which example stands in a
 * place.
 */
export function macroF1(right: readonly number[], picked: readonly number[], pick: (place: number) => number): number {
  const counts = new Map<number, { hits: number; right: number; picked: number }>();
  const of = (label: number) => {
    const known = counts.get(label) ?? { hits: 0, right: 0, picked: 0 };
    counts.set(label, known);
    return known;
  };
  for (let place = 0; place < right.length; place++) {
    const i = pick(place);
    of(right[i]!).right++;
    of(picked[i]!).picked++;
    if (right[i] === picked[i]) of(right[i]!).hits++;
  }
  let sum = 0;
  for (const one of counts.values()) sum += (2 * one.hits) / (one.right + one.picked);
  return sum / counts.size;
}
