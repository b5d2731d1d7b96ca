import { checkedText, RowError, scalarText } from './columns.js';
import { jsonFault, parseJson, parsePython, withPlainNumbers } from './rows/jsonText.js';
import type { Message, Role, ToolCall } from './types.js';

type Json = Readonly<Record<string, unknown>>;

/** Names of roles, in any case. docs/data.md lists them. */
export const ROLES: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  prompter: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  model: 'assistant',
  chatgpt: 'assistant',
  bot: 'assistant',
  ai: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  claude: 'assistant',
  tool: 'tool',
  function: 'tool',
  observation: 'tool',
  ipython: 'tool',
  tool_response: 'tool',
  tool_result: 'tool',
  function_response: 'tool',
};
/** Turns in which the assistant calls a tool, where their content is the call. */
export const CALLING = ['function_call', 'tool_call', 'function-call'];

export const ROLE_KEYS = ['role', 'from', 'speaker', 'sender', 'author'];
export const CONTENT_KEYS = ['content', 'value', 'text', 'message', 'parts'];
/** Keys that say whether a turn is learnt. */
export const WEIGHT_KEYS = ['weight', 'train', 'training', 'trainable', 'loss', 'loss_weight'];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const roleOf = (name: string): Role | undefined => {
  const key = name.trim().toLowerCase();
  return Object.hasOwn(ROLES, key) ? ROLES[key] : undefined;
};

/** Text of a content: a text, parts of type text, or nothing. Throws RowError for images and the like. */
function contentText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(contentText).join('');
  if (!isObject(value) || scalarText(value) !== undefined) return checkedText(value, 'content');
  const type = value.type === undefined ? 'text' : (scalarText(value.type) ?? 'object');
  const inner = value.text ?? value.parts ?? value.content ?? value.value;
  if (!/text$/.test(type) || inner === undefined)
    throw new RowError(`a content has a part of type "${type.slice(0, 40)}", which is no text`);
  return contentText(inner);
}

/** What a weight means: 0 and false, 1 and true, or nothing; undefined for what the loss mask cannot say. */
export function weightOf(value: unknown): boolean | undefined {
  const text = scalarText(value ?? '')
    ?.trim()
    .toLowerCase();
  if (text === '' || text === 'true' || Number(text) === 1) return true;
  return text === 'false' || Number(text) === 0 ? false : undefined;
}

/** Whether a weight says to learn. Throws RowError for what the loss mask cannot say. */
export function isLearnt(value: unknown, key: string): boolean {
  const learnt = weightOf(value);
  if (learnt !== undefined) return learnt;
  const came = scalarText(value)?.trim().toLowerCase().slice(0, 40) ?? 'no number';
  throw new RowError(`"${key}" is ${came}; only 0 (not learnt) and 1 (learnt) can be told apart`);
}

function toolCalls(value: Json): ToolCall[] {
  const calls = Array.isArray(value.tool_calls)
    ? value.tool_calls
    : isObject(value.function_call)
      ? [value.function_call]
      : [];
  return calls.filter(isObject).map((call) => {
    const inner = isObject(call.function) ? call.function : call;
    return {
      type: 'function',
      ...(typeof call.id === 'string' ? { id: call.id } : {}),
      function: { name: scalarText(inner.name ?? '') ?? '', arguments: argumentsOf(inner.arguments) },
    };
  });
}

/** Templates want an object, the API of OpenAI writes JSON text. */
function argumentsOf(value: unknown): unknown {
  if (typeof value !== 'string') return withPlainNumbers(value ?? {});
  try {
    return withPlainNumbers(parseJson(value));
  } catch {
    return value;
  }
}

function message(role: Role, value: Json, content: string, calling: boolean): Message {
  const key = WEIGHT_KEYS.find((name) => Object.hasOwn(value, name));
  const calls = role === 'assistant' ? toolCalls(value) : [];
  const learnt =
    role !== 'assistant' || (!calling && calls.length === 0 && (key === undefined || isLearnt(value[key], key)));
  return {
    role,
    content,
    ...(learnt ? {} : { train: false }),
    ...(calls.length === 0 ? {} : { toolCalls: calls }),
    ...(role === 'tool' && typeof value.name === 'string' ? { name: value.name } : {}),
  };
}

/** Keys of a turn with its answer, where an item has no role. */
const PAIR_KEYS: Readonly<Record<string, Role>> = {
  instruction: 'user',
  question: 'user',
  prompt: 'user',
  query: 'user',
  output: 'assistant',
  answer: 'assistant',
  response: 'assistant',
  completion: 'assistant',
};

/** `{role, content}`, `{from, value}` and their like; `{human: "...", assistant: "..."}` is two turns. */
function messagesOfItem(value: unknown): Message[] {
  if (!isObject(value)) throw new RowError('a message is not an object');
  const roleKey = ROLE_KEYS.find((key) => typeof value[key] === 'string' || isObject(value[key]));
  const contentKey = CONTENT_KEYS.find((key) => Object.hasOwn(value, key));
  if (roleKey === undefined) {
    const turns = Object.keys(value).flatMap((key) => {
      const role = roleOf(key) ?? (Object.hasOwn(PAIR_KEYS, key) ? PAIR_KEYS[key] : undefined);
      return role === undefined || typeof value[key] === 'object'
        ? []
        : [{ role, content: checkedText(value[key], key) }];
    });
    if (turns.length > 0) return turns;
    throw new RowError('"role" is missing');
  }
  const named = value[roleKey];
  const name = scalarText(isObject(named) ? named.role : named) ?? '';
  const calling = CALLING.includes(name.trim().toLowerCase());
  const role = calling ? 'assistant' : roleOf(name);
  if (role === undefined) throw new RowError(`role "${name.slice(0, 40)}" is not known`);
  return [message(role, value, contentText(contentKey === undefined ? undefined : value[contentKey]), calling)];
}

const turnsOf = (texts: readonly unknown[]): Message[] =>
  texts.map((text, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: contentText(text) }));

/** A list that was written into a text, as CSV columns hold it. Throws RowError. */
function listOf(value: unknown, key: string): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string' || !value.trimStart().startsWith('[')) throw new RowError(`"${key}" is not a list`);
  let list: unknown;
  try {
    list = parseJson(value);
  } catch (cause) {
    // pandas writes lists as Python's str() does.
    list = parsePython(value);
    if (list === undefined) throw new RowError(`"${key}" is text that is no JSON (${jsonFault(cause)})`);
  }
  if (Array.isArray(list)) return list;
  throw new RowError(`"${key}" is not a list`);
}

/** Whether a value is a conversation or a text that holds one. */
export function looksLikeList(value: unknown): boolean {
  return (
    Array.isArray(value) ||
    (typeof value === 'string' && /^\s*\[\s*[[{"']/.test(value) && value.trimEnd().endsWith(']'))
  );
}

/**
 * The turns of a list, in every common spelling: messages; pairs of question and answer; texts in turn. Throws RowError.
 */
export function messagesOfList(value: unknown, key: string): Message[] {
  const list = listOf(value, key);
  if (list.every((item) => typeof item === 'string')) return turnsOf(list);
  if (list.every(Array.isArray)) {
    return list.flatMap((item) =>
      item.every((part: unknown) => typeof part === 'object' && part !== null)
        ? item.flatMap(messagesOfItem)
        : turnsOf(item),
    );
  }
  return list.flatMap(messagesOfItem);
}

/** A conversation that can be learnt from, and how many of its turns were left out. */
export interface Conversation {
  readonly messages: readonly Message[];
  readonly leftOut: number;
}

const isAnswer = ({ role, content, train }: Message): boolean =>
  role === 'assistant' && train !== false && content.trim() !== '';

/**
 * The part of a conversation that teaches something: from the first question (with the system messages before it) to the
 * last answer that is learnt. Empty system messages are none; an empty answer is context. Throws RowError where nothing
 * is left.
 */
export function conversation(all: readonly Message[], key: string): Conversation {
  const turns = all
    .filter(({ role, content }) => role !== 'system' || content.trim() !== '')
    .map((turn) => (turn.role === 'assistant' && turn.content.trim() === '' ? { ...turn, train: false } : turn));
  const first = turns.findIndex(({ role }) => role === 'user');
  const last = turns.findLastIndex(isAnswer);
  if (first < 0 || last < first) {
    const marked = turns.some(({ role, train }) => role === 'assistant' && train === false);
    throw new RowError(
      `"${key}" has no question with an answer${marked ? ' that is learnt (those there are empty, marked, or calls of tools)' : ''}`,
    );
  }
  const opening = turns.slice(0, first).filter(({ role }) => role === 'system');
  const kept = turns.slice(first, last + 1);
  return { messages: [...opening, ...kept], leftOut: turns.length - opening.length - kept.length };
}
