import { rawText, singleTurn, turnTemplate } from './turns.js';
import type { PromptTemplate } from './types.js';

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
  open: (role) => `<|start_header_id|>${role}<|end_header_id|>\n\n`,
  end: '<|eot_id|>',
  between: '',
});

/** A template of one question and one answer, from the text before the answer. */
export function promptTemplate(
  id: string,
  prompt: (turn: { instruction: string; input: string }) => string,
): PromptTemplate {
  const before = (turn: { instruction: string; input: string }) =>
    ({ text: prompt(turn), source: 'user', target: false }) as const;
  return {
    id,
    render(example) {
      const raw = rawText(example);
      if (raw !== undefined) return raw;
      const turn = singleTurn(example, id);
      return [before(turn), { text: turn.output, source: 'user', target: true }];
    },
    prompt: (example) => rawText(example) ?? [before(singleTurn(example, id))],
  };
}

/** The prompt of Stanford Alpaca. */
export const alpaca = promptTemplate('alpaca', ({ instruction, input }) =>
  input === ''
    ? 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' +
      `### Instruction:\n${instruction}\n\n### Response:\n`
    : 'Below is an instruction that describes a task, paired with an input that provides further context. ' +
      'Write a response that appropriately completes the request.\n\n' +
      `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`,
);

/** Few tokens, for small vocabularies: the format that the embedded base was trained on. */
export const plain = promptTemplate('plain', ({ instruction, input }) =>
  input === ''
    ? `### Instruction\n${instruction}\n### Response\n`
    : `### Instruction\n${instruction}\n### Input\n${input}\n### Response\n`,
);
