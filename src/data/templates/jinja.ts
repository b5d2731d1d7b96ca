import { Template } from '@huggingface/jinja';
import { DataError } from '../../errors.js';
import { splitSpecial, type Tokenizer } from '../../model/index.js';
import type { Example, Message } from '../types.js';
import { messagesOf, rawText } from './turns.js';
import type { PromptTemplate, Segment } from './types.js';

/** Opens and closes a piece of text that a user wrote, while it passes through the template. Noncharacters. */
const OPEN = '\uFDD1';
const CLOSE = '\uFDD2';

function fail(id: string, cause: unknown): DataError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DataError(
    'BAD_TEMPLATE',
    `The ${id} template cannot be rendered: ${reason}. Choose another with template, e.g. chatml or alpaca.`,
    { cause },
  );
}

/** Control tokens in text of users are wrapped, so that they can be told from those of the template afterwards. */
function wrap(text: string, special: ReadonlyMap<string, number>): string {
  return splitSpecial(text.replaceAll(OPEN, '\uFFFD').replaceAll(CLOSE, '\uFFFD'), special)
    .map((part) => (part.id === undefined ? part.text : `${OPEN}${Buffer.from(part.text).toString('hex')}${CLOSE}`))
    .join('');
}

function unwrap(text: string, target: boolean): Segment[] {
  return text.split(new RegExp(`${OPEN}([0-9a-f]*)${CLOSE}`)).flatMap((part, i): Segment[] => {
    if (i % 2 === 1) return [{ text: Buffer.from(part, 'hex').toString(), source: 'user', target }];
    return part === '' ? [] : [{ text: part, source: 'template', target }];
  });
}

/**
 * A Jinja chat template over `messages`, such as models bring. The answers are found by rendering the conversation up to
 * each of them; what follows an answer's end token belongs to the template.
 *
 * Throws DataError BAD_TEMPLATE where the template cannot be parsed or rendered, or rewrites earlier turns.
 */
export function jinjaChatTemplate(id: string, source: string, tokenizer: Tokenizer): PromptTemplate {
  const template = parse(id, source);
  const tokenText = (token: number | undefined) => (token === undefined ? '' : (tokenizer.idToToken(token) ?? ''));
  const special = tokenizer.specialTokens;
  const renderText = (messages: readonly Message[], generate: boolean): string => {
    try {
      return template.render({
        messages: messages.map(({ role, content }) => ({ role, content: wrap(content, special) })),
        add_generation_prompt: generate,
        bos_token: tokenText(tokenizer.bosId),
        eos_token: tokenText(tokenizer.eosId),
      });
    } catch (cause) {
      throw fail(id, cause);
    }
  };
  const ends = [tokenizer.eotId, tokenizer.eosId].map(tokenText).filter((text) => text !== '');
  const render = (messages: readonly Message[]): Segment[] => {
    const segments: Segment[] = [];
    let done = '';
    messages.forEach(({ role }, i) => {
      if (role !== 'assistant') return;
      const prompt = renderText(messages.slice(0, i), true);
      const upTo = renderText(messages.slice(0, i + 1), false);
      if (!prompt.startsWith(done) || !upTo.startsWith(prompt)) {
        throw fail(id, new Error('it changes earlier turns when a later one is added, so the answers cannot be found'));
      }
      const answer = withoutTail(upTo.slice(prompt.length), ends);
      const turn = [...unwrap(prompt.slice(done.length), false), ...unwrap(answer, true)];
      for (const segment of turn) segments.push(segment);
      done = prompt + answer;
    });
    return segments;
  };
  return {
    id,
    render: (example) => rawText(example) ?? render(messagesOf(example)),
    prompt: (example) => rawText(example) ?? unwrap(renderText(messagesOf(example).slice(0, -1), true), false),
  };
}

/** An answer up to and with its end token. */
function withoutTail(answer: string, ends: readonly string[]): string {
  for (const end of ends) {
    const at = answer.lastIndexOf(end);
    if (at >= 0) return answer.slice(0, at + end.length);
  }
  return answer;
}

/** A day that never changes, so that equal runs see equal prompts: the one that Llama 3's templates fall back to. */
const FIXED_DATE = '{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}';

function parse(id: string, source: string): Template {
  try {
    return new Template(source.includes('strftime_now') ? FIXED_DATE + source : source);
  } catch (cause) {
    throw fail(id, cause);
  }
}

/** A Jinja prompt over `instruction`, `input` and `category`; the answer and the end token follow it. */
export function jinjaPrompt(id: string, source: string): (example: Pick<Example, 'instruction' | 'input'>) => string {
  const template = parse(id, source);
  return (example) => {
    try {
      return template.render({ instruction: example.instruction, input: example.input });
    } catch (cause) {
      throw fail(id, cause);
    }
  };
}
