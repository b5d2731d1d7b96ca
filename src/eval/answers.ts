import type { RunConfig } from '../config/schema.js';
import { promptTokens, resolveTemplate } from '../data/index.js';
import { DataError } from '../errors.js';
import type { BaseModel } from '../model/index.js';
import { type DataChoice, referenceOf, scoredRows } from './dataItems.js';

/** A question to be answered in words, and the answer that the data has. */
export interface OpenQuestion {
  readonly id: string;
  readonly owner: string | undefined;
  readonly category: string | undefined;
  readonly prompt: readonly number[];
  readonly reference: string;
}

/** The examples as questions by the prompt template. Throws DataError TOO_LONG, NO_EXAMPLES: one left out would change a mean. */
export async function loadOpenQuestions(
  config: RunConfig,
  model: BaseModel,
  choice: DataChoice & { readonly maxTokens: number },
): Promise<{ readonly template: string; readonly split: string; readonly questions: readonly OpenQuestion[] }> {
  const template = await resolveTemplate(config.template, model);
  const { examples, split } = await scoredRows(config, choice);
  const room = model.description.contextLength - choice.maxTokens;
  const questions = examples.map((example): OpenQuestion => {
    const { id, owner, category, text } = example;
    if (text !== undefined) throw new DataError('NO_QUESTION', `Example ${id} is plain text: it asks nothing.`);
    const prompt = [...promptTokens(example, { tokenizer: model.tokenizer, template })];
    if (prompt.length <= room) return { id, owner, category, prompt, reference: referenceOf(example) };
    throw new DataError(
      'TOO_LONG',
      `Example ${id} asks in ${prompt.length} tokens, which leaves no room for ${choice.maxTokens} of an answer in a context of ` +
        `${model.description.contextLength}. Lower --max-tokens.`,
    );
  });
  return { template: template.id, split, questions };
}
