import { DataError } from '../../errors.js';
import type { Example, Message } from '../types.js';
import type { PromptTemplate, Segment } from './types.js';

/** Fixed text around the turns of a chat format. */
export interface TurnFormat {
  readonly id: string;
  /** Opens a turn of that role. */
  readonly open: (role: Message['role']) => string;
  /** Ends a turn; its control token is a target in the answers. */
  readonly end: string;
  /** Between two turns; never a target. */
  readonly between: string;
}

/** Instruction and context as the user's one turn: joined by a newline. */
export function userText({ instruction, input }: Pick<Example, 'instruction' | 'input'>): string {
  if (input === '') return instruction;
  return instruction === '' ? input : `${instruction}\n${input}`;
}

/** The conversation of an example, the answer last. */
export function messagesOf(example: Example): readonly Message[] {
  return (
    example.messages ?? [
      { role: 'user', content: userText(example) },
      { role: 'assistant', content: example.output },
    ]
  );
}

const fixed = (text: string, target = false): Segment => ({ text, source: 'template', target });

/** ChatML, Llama 3 and their like: every turn has an opening, its content, an end. */
export function turnTemplate(format: TurnFormat): PromptTemplate {
  const turns = (messages: readonly Message[]): Segment[] =>
    messages.flatMap(({ role, content }, i) => {
      const target = role === 'assistant';
      const opening = fixed(`${i === 0 ? '' : format.between}${format.open(role)}`);
      return [opening, { text: content, source: 'user', target }, fixed(format.end, target)];
    });
  return {
    id: format.id,
    render: (example) => rawText(example) ?? turns(messagesOf(example)),
    prompt(example) {
      const messages = messagesOf(example).slice(0, -1);
      return rawText(example) ?? [...turns(messages), fixed(`${format.between}${format.open('assistant')}`)];
    },
  };
}

/** Raw text has no prompt: every token is a target. */
export function rawText({ text }: Example): Segment[] | undefined {
  return text === undefined ? undefined : [{ text, source: 'user', target: true }];
}

/** What formats without turns can say; throws DataError TEMPLATE_TURNS for a longer conversation. */
export function singleTurn(example: Example, template: string): { instruction: string; input: string; output: string } {
  if (example.messages === undefined) return example;
  const system = example.messages.filter(({ role }) => role === 'system').map(({ content }) => content);
  const turns = example.messages.filter(({ role }) => role !== 'system');
  if (turns.length === 2) {
    return { instruction: [...system, turns[0]!.content].join('\n'), input: '', output: turns[1]!.content };
  }
  throw new DataError(
    'TEMPLATE_TURNS',
    `Template "${template}" has one question and one answer, but example ${example.id} has ${turns.length} turns. ` +
      'Take chatml, llama3 or the model\u2019s own template.',
  );
}
