import type { Example } from '../types.js';
import { oneSequence, singleTurn, turnTemplate } from './turns.js';
import type { PromptTemplate, Segment } from './types.js';

/** ChatML without a system turn of its own. */
export const chatml = turnTemplate({
  id: 'chatml',
  open: (role) => `<|im_start|>${role}\n`,
  end: '<|im_end|>',
  between: '\n',
});

/** Llama 3's chat format; its `<|begin_of_text|>` comes from the tokenizer (`addBos`). */
export const llama3 = turnTemplate({
  id: 'llama3',
  open: (role) => `<|start_header_id|>${role === 'tool' ? 'ipython' : role}<|end_header_id|>\n\n`,
  end: '<|eot_id|>',
  between: '',
});

type Turn = Pick<Example, 'instruction' | 'input'>;

/** A template of one question and one answer, from what goes before the answer. */
export function promptTemplate(id: string, prompt: (turn: Turn) => Segment[]): PromptTemplate {
  return oneSequence(
    id,
    (example) => {
      const turn = singleTurn(example, id);
      return [...prompt(turn), { text: turn.output, source: 'user', target: true }];
    },
    (example) => prompt(singleTurn(example, id)),
  );
}

/**
 * Two texts with the places `{instruction}` and `{input}`, one for questions with an input and one for those without.
 * Control tokens in the texts are meant; what goes into the places is text.
 */
export function fillTemplate(
  id: string,
  texts: { readonly withInput: string; readonly without: string },
): PromptTemplate {
  return promptTemplate(id, (turn) =>
    (turn.input === '' ? texts.without : texts.withInput).split(/\{(instruction|input)\}/).map((part, i) => ({
      text: i % 2 === 0 ? part : turn[part as keyof Turn],
      source: i % 2 === 0 ? 'template' : 'user',
      target: false,
    })),
  );
}

/** The prompt of Stanford Alpaca. */
export const alpaca = fillTemplate('alpaca', {
  without:
    'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' +
    '### Instruction:\n{instruction}\n\n### Response:\n',
  withInput:
    'Below is an instruction that describes a task, paired with an input that provides further context. ' +
    'Write a response that appropriately completes the request.\n\n' +
    '### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n',
});

/** Few tokens, for small vocabularies: the format that the embedded base was trained on. */
export const plain = fillTemplate('plain', {
  without: '### Instruction\n{instruction}\n### Response\n',
  withInput: '### Instruction\n{instruction}\n### Input\n{input}\n### Response\n',
});
