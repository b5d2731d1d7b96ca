import { Template } from '@huggingface/jinja';
import { DataError } from '../../errors.js';
import { splitSpecial, type Tokenizer } from '../../model/index.js';
import type { Example, Message } from '../types.js';
import { callPythonMethod, FIXED_DAY, fixedDay, PYTHON_METHOD, usePythonMethods } from './python.js';
import { reshaped } from './reshape.js';
import { isTarget, messagesOf, rawText } from './turns.js';
import type { PromptTemplate, Rendering, Segment } from './types.js';

/** Opens and closes a piece of text that a user wrote, while it passes through the template. Noncharacters. */
const OPEN = '\uFDD1';
const CLOSE = '\uFDD2';
/** Stand for a question and for an answer, to find the places of both. */
const ASKED = '\uFDD3';
const ANSWER = '\uFDD4';
const RESERVED = /[\uFDD1-\uFDD4]/g;

function fail(id: string, cause: unknown): DataError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DataError(
    'BAD_TEMPLATE',
    `the ${id} template cannot render it: ${reason}. Choose another with template, e.g. chatml or alpaca.`,
    { cause },
  );
}

/** Control tokens in text of users are wrapped, so that they can be told from those of the template afterwards. */
function wrap(text: string, special: ReadonlyMap<string, number>): string {
  return splitSpecial(text.replace(RESERVED, '\uFFFD'), special)
    .map((part) => (part.id === undefined ? part.text : `${OPEN}${Buffer.from(part.text).toString('hex')}${CLOSE}`))
    .join('');
}

function unwrap(text: string, target: boolean): Segment[] {
  return text.split(new RegExp(`${OPEN}([0-9a-f]*)${CLOSE}`)).flatMap((part, i): Segment[] => {
    if (i % 2 === 1) return [{ text: Buffer.from(part, 'hex').toString(), source: 'user', target }];
    return part === '' ? [] : [{ text: part, source: 'template', target }];
  });
}

/** Every text within a value, wrapped. */
function wrapDeep(value: unknown, special: ReadonlyMap<string, number>): unknown {
  if (typeof value === 'string') return wrap(value, special);
  if (Array.isArray(value)) return value.map((item) => wrapDeep(item, special));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [wrap(key, special), wrapDeep(item, special)]));
}

/** One answer with the text that stands before it at inference. */
interface Piece {
  /** What the answer is trained behind. */
  readonly prompt: string;
  /** What the template gives to generate from: `prompt`, or the beginning of it. */
  readonly asked: string;
  readonly answer: string;
}

class ChatRenderer {
  readonly #id: string;
  readonly #template: Template;
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string };
  readonly #special: ReadonlyMap<string, number>;
  readonly #ends: readonly string[];

  constructor(id: string, source: string, tokenizer: Tokenizer) {
    const tokenText = (token: number | undefined) => (token === undefined ? '' : (tokenizer.idToToken(token) ?? ''));
    this.#id = id;
    this.#template = parse(id, source);
    this.#special = tokenizer.specialTokens;
    this.#tokens = { bos_token: tokenText(tokenizer.bosId), eos_token: tokenText(tokenizer.eosId) };
    this.#ends = [tokenizer.eotId, tokenizer.eosId].map(tokenText).filter((text) => text !== '');
  }

  /** `raw` contents (the marks) pass unwrapped. */
  #text(messages: readonly Message[], generate: boolean): string {
    try {
      const wrapped = messages.map(({ role, content, toolCalls, name }) => ({
        role,
        content: content === ASKED || content === ANSWER ? content : wrap(content, this.#special),
        ...(name === undefined ? {} : { name: wrap(name, this.#special) }),
        ...(toolCalls === undefined ? {} : { tool_calls: wrapDeep(toolCalls, this.#special) }),
      }));
      return this.#template.render({
        messages: wrapped,
        add_generation_prompt: generate,
        ...this.#tokens,
        ...FUNCTIONS,
      });
    } catch (cause) {
      throw fail(this.#id, cause);
    }
  }

  /** The answer at `i` with its prompt. Throws DataError BAD_TEMPLATE where it cannot be found. */
  piece(messages: readonly Message[], i: number): Piece {
    const before = messages.slice(0, i);
    const asked = this.#text(before, true);
    const full = this.#text(messages.slice(0, i + 1), false);
    const opens = asked !== this.#text(before, false);
    if (opens && full.startsWith(asked)) return { prompt: asked, asked, answer: full.slice(asked.length) };
    // The answer's place, by a mark in its stead.
    const [head, tail] = this.#text([...before, { role: 'assistant', content: ANSWER }], false).split(ANSWER);
    if (tail === undefined || !full.startsWith(head!)) {
      if (full.startsWith(asked)) return { prompt: asked, asked, answer: full.slice(asked.length) };
      throw fail(this.#id, new Error('its answer cannot be found in what the template makes of the conversation'));
    }
    const answer = full.slice(head!.length);
    // No generation prompt: what the template writes before an answer belongs to the prompt.
    if (!opens && head!.startsWith(asked)) return { prompt: head!, asked: head!, answer };
    return this.#moved({ before, content: messages[i]!.content, asked, head: head!, tail, answer, opens });
  }

  /** An answer before which the template writes something else at inference than it does once the answer is there. */
  #moved(at: {
    before: readonly Message[];
    content: string;
    asked: string;
    head: string;
    tail: string;
    answer: string;
    opens: boolean;
  }): Piece {
    const { before, asked, head, answer } = at;
    const marked = [...before.slice(0, -1), { ...before.at(-1)!, content: ASKED }];
    const behind = this.#text(marked, true).split(ASKED)[1];
    const between = this.#text([...marked, { role: 'assistant', content: ANSWER }], false)
      .split(ASKED)[1]
      ?.split(ANSWER)[0];
    if (behind === undefined || between === undefined) {
      throw fail(this.#id, new Error('it leaves the question out once the answer is there'));
    }
    if (between.startsWith(behind)) {
      const header = between.slice(behind.length);
      return at.opens
        ? { prompt: asked, asked, answer: header + answer }
        : { prompt: asked + header, asked: asked + header, answer };
    }
    if (!behind.startsWith(between)) return { prompt: head, asked, answer };
    // The generation prompt goes further than the rendered answer: DeepSeek-R1's ends in `<think>\n`.
    const tag = /<([^<>/\s]+)>\s*$/.exec(behind.slice(between.length))?.[1];
    if (tag === undefined) return { prompt: asked, asked, answer };
    const content = wrap(at.content, this.#special);
    const thought = content.trimStart().startsWith(`<${tag}>`)
      ? content
          .trimStart()
          .slice(tag.length + 2)
          .trimStart()
      : content;
    // Reasoning that the row has is learnt, though the template would leave it out.
    if (content.includes(`</${tag}>`)) return { prompt: asked, asked, answer: thought + at.tail };
    // Of reasoning that the row does not have nothing is learnt: the block is closed for it.
    return { prompt: `${asked}\n</${tag}>\n\n`, asked, answer };
  }

  /** Whether the prompt of an answer says what system and tool messages and calls of tools before it do. */
  #isWhole(messages: readonly Message[], i: number, prompt: string): boolean {
    const says = (text: string): boolean => prompt.includes(wrap(text.trim(), this.#special));
    return messages.slice(0, i).every(({ role, content, toolCalls = [] }) => {
      if (!toolCalls.every(({ function: call }) => says(call.name))) return false;
      return (role !== 'system' && role !== 'tool') || says(content);
    });
  }

  /** Every answer's piece, the last first; `whole` is false where the template leaves messages out. */
  pieces(messages: readonly Message[]): { pieces: Piece[]; whole: boolean } {
    const answers = messages.flatMap((message, i) => (isTarget(message) ? [i] : [])).reverse();
    const pieces = answers.map((i) => {
      const piece = this.piece(messages, i);
      return { ...piece, answer: withoutTail(piece.answer, this.#ends) };
    });
    return { pieces, whole: answers.length > 0 && this.#isWhole(messages, answers[0]!, pieces[0]!.asked) };
  }

  /** Tries the conversation as it is, then in the plain form that every template takes. */
  piecesOrReshaped(messages: readonly Message[]): { pieces: readonly Piece[]; isReshaped: boolean } {
    let first: { pieces: Piece[]; whole: boolean } | undefined;
    let refusal: unknown;
    try {
      first = this.pieces(messages);
      if (first.whole) return { pieces: first.pieces, isReshaped: false };
    } catch (error) {
      refusal = error;
    }
    const other = reshaped(messages);
    if (other !== undefined) {
      try {
        const second = this.pieces(other);
        if (second.whole) return { pieces: second.pieces, isReshaped: true };
      } catch {
        // What is wrong with the conversation as it is says more.
      }
    }
    if (first !== undefined) return { pieces: first.pieces, isReshaped: false };
    throw refusal;
  }

  sequences(messages: readonly Message[]): Rendering {
    const { pieces, isReshaped } = this.piecesOrReshaped(messages);
    const sequences: { text: string; targets: { from: number; to: number }[] }[] = [];
    for (const { prompt, answer } of pieces) {
      const text = prompt + answer;
      const target = { from: prompt.length, to: text.length };
      // Where the text up to this answer is the same in a later one's sequence, it is learnt there.
      const same = sequences.find((sequence) => sequence.text.startsWith(text));
      if (same === undefined) sequences.push({ text, targets: [target] });
      else same.targets.unshift(target);
    }
    return { sequences: sequences.map(({ text, targets }) => segmentsOf(text, targets)), reshaped: isReshaped };
  }
}

function segmentsOf(text: string, targets: readonly { from: number; to: number }[]): Segment[] {
  let done = 0;
  return targets.flatMap(({ from, to }) => {
    const segments = [...unwrap(text.slice(done, from), false), ...unwrap(text.slice(from, to), true)];
    done = to;
    return segments;
  });
}

/**
 * A Jinja chat template over `messages`, such as models bring. Each answer is learnt behind the prompt that the template
 * gives at inference; where a later turn changes how earlier ones are rendered, an earlier answer gets a sequence of its
 * own. What follows an answer's end token belongs to the template.
 *
 * Throws DataError BAD_TEMPLATE where the template cannot be parsed; rendering throws it where a conversation is refused.
 */
export function jinjaChatTemplate(id: string, source: string, tokenizer: Tokenizer): PromptTemplate {
  const renderer = new ChatRenderer(id, source, tokenizer);
  const sequences = (example: Example): Rendering => {
    const raw = rawText(example);
    return raw === undefined ? renderer.sequences(messagesOf(example)) : { sequences: [raw], reshaped: false };
  };
  return {
    id,
    sequences,
    render: (example) => sequences(example).sequences[0]!,
    prompt: (example) =>
      rawText(example) ?? unwrap(renderer.piecesOrReshaped(messagesOf(example)).pieces[0]!.asked, false),
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

const FUNCTIONS = { [FIXED_DAY]: fixedDay, [PYTHON_METHOD]: callPythonMethod };

function parse(id: string, source: string): Template {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(
      'BAD_TEMPLATE',
      `Expected ${id} to be a Jinja template but it cannot be parsed: ${reason}. Choose another with template, e.g. chatml.`,
      { cause },
    );
  }
  usePythonMethods(template.parsed);
  return template;
}

/** A Jinja prompt over `instruction` and `input`; the answer and the end token follow it. */
export function jinjaPrompt(
  id: string,
  source: string,
  tokenizer: Tokenizer,
): (turn: Pick<Example, 'instruction' | 'input'>) => Segment[] {
  const template = parse(id, source);
  return ({ instruction, input }) => {
    const special = tokenizer.specialTokens;
    try {
      const text = template.render({
        instruction: wrap(instruction, special),
        input: wrap(input, special),
        ...FUNCTIONS,
      });
      return unwrap(text, false);
    } catch (cause) {
      throw fail(id, cause);
    }
  };
}
