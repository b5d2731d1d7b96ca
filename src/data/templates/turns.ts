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

/** Whether a turn is learnt. */
export const isTarget = ({ role, train }: Message): boolean => role === 'assistant' && train !== false;

/** What a turn says, the calls of tools in it included, for formats that have no place of their own for them. */
export function spokenText({ content, toolCalls = [] }: Message): string {
  const calls = toolCalls.map(({ function: call }) => `<tool_call>\n${JSON.stringify(call)}\n</tool_call>`);
  return [content, ...calls].filter((text) => text !== '').join('\n');
}

/** A template whose examples are one sequence each. */
export function oneSequence(
  id: string,
  render: (example: Example) => Segment[],
  prompt: (example: Example) => Segment[],
): PromptTemplate {
  return {
    id,
    render: (example) => rawText(example) ?? render(example),
    sequences: (example) => ({ sequences: [rawText(example) ?? render(example)], reshaped: false }),
    prompt: (example) => rawText(example) ?? prompt(example),
  };
}

const fixed = (text: string, target = false): Segment => ({ text, source: 'template', target });

/** ChatML, Llama 3 and their like: every turn has an opening, its content, an end. */
export function turnTemplate(format: TurnFormat): PromptTemplate {
  const turns = (messages: readonly Message[]): Segment[] =>
    messages.flatMap((message, i) => {
      const target = isTarget(message);
      const opening = fixed(`${i === 0 ? '' : format.between}${format.open(message.role)}`);
      return [opening, { text: spokenText(message), source: 'user', target }, fixed(format.end, target)];
    });
  return oneSequence(
    format.id,
    (example) => turns(messagesOf(example)),
    (example) => [...turns(messagesOf(example).slice(0, -1)), fixed(`${format.between}${format.open('assistant')}`)],
  );
}

/** Raw text has no prompt: every token is a target, and control tokens in it are meant. */
export function rawText({ text }: Example): Segment[] | undefined {
  return text === undefined ? undefined : [{ text, source: 'template', target: true }];
}

/** What formats without turns can say; throws DataError TEMPLATE_TURNS for a longer conversation. */
export function singleTurn(example: Example, template: string): { instruction: string; input: string; output: string } {
  if (example.messages === undefined) return example;
  const system = example.messages.filter(({ role }) => role === 'system').map(({ content }) => content);
  const turns = example.messages.filter(({ role }) => role !== 'system');
  if (turns.length === 2) {
    const asked = turns[0]!.content === userText(example) ? example : { instruction: turns[0]!.content, input: '' };
    return { instruction: [...system, asked.instruction].join('\n'), input: asked.input, output: turns[1]!.content };
  }
  throw new DataError(
    'TEMPLATE_TURNS',
    `template "${template}" has one question and one answer, but the conversation has ${turns.length} turns. ` +
      'Take chatml, llama3 or the model\u2019s own template.',
  );
}
