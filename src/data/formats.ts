import type { DataFormat, Example, Message, Role } from './types.js';

/** What a row says, before it has an id. */
export type Content = Omit<Example, 'id'>;

/** Thrown inside this folder for a row that does not fit; the reader counts it and names its line. */
export class RowError extends Error {}

type Row = Readonly<Record<string, unknown>>;

/** Longest text of one field. What is longer is no example, and would only keep the tokenizer busy. */
const MAX_FIELD_CHARS = 1_000_000;

export const DATA_FORMATS: readonly DataFormat[] = ['alpaca', 'dolly', 'sharegpt', 'messages', 'completion', 'text'];

/** Names that data sets give the two halves of a completion. */
const PROMPT_KEYS = ['prompt', 'question', 'query'];
const ANSWER_KEYS = ['completion', 'response', 'answer', 'output'];

const has = (row: Row, key: string): boolean => row[key] !== undefined && row[key] !== null;
const firstOf = (row: Row, keys: readonly string[]): string | undefined => keys.find((key) => has(row, key));

/** The format that the keys of a row speak for, or undefined. */
export function detectFormat(row: Row): DataFormat | undefined {
  // Columns without a value decide only where nothing else does: so a missing answer is called that.
  return formatOf(row, has) ?? formatOf(row, Object.hasOwn);
}

function formatOf(row: Row, there: (row: Row, key: string) => boolean): DataFormat | undefined {
  if (Array.isArray(row.messages)) return 'messages';
  if (Array.isArray(row.conversations)) return 'sharegpt';
  if (there(row, 'instruction') && there(row, 'output')) return 'alpaca';
  if (there(row, 'instruction') && there(row, 'response')) return 'dolly';
  const either = (keys: readonly string[]) => keys.some((key) => there(row, key));
  if (either(PROMPT_KEYS) && either(ANSWER_KEYS)) return 'completion';
  return there(row, 'text') ? 'text' : undefined;
}

function field(row: Row, key: string, required: boolean): string {
  const value = row[key];
  if (value === undefined || value === null) {
    if (required) throw new RowError(`"${key}" is missing`);
    return '';
  }
  if (typeof value === 'object')
    throw new RowError(`"${key}" is ${Array.isArray(value) ? 'a list' : 'an object'}, not a text`);
  const text = String(value);
  if (text.length > MAX_FIELD_CHARS)
    throw new RowError(`"${key}" has ${text.length} characters, over ${MAX_FIELD_CHARS}`);
  if (required && text.trim() === '') throw new RowError(`"${key}" is empty`);
  return text;
}

const ROLES: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  model: 'assistant',
  chatgpt: 'assistant',
};

function message(value: unknown, keys: { role: string; content: string }): Message {
  if (typeof value !== 'object' || value === null) throw new RowError('a message is not an object');
  const name = field(value as Row, keys.role, true).toLowerCase();
  if (!Object.hasOwn(ROLES, name)) throw new RowError(`role "${name.slice(0, 40)}" is not known`);
  return { role: ROLES[name]!, content: field(value as Row, keys.content, true) };
}

/** Answers before the first question and questions after the last answer teach nothing: left out. */
function conversation(list: unknown, keys: { list: string; role: string; content: string }): Content {
  if (!Array.isArray(list)) throw new RowError(`"${keys.list}" is not a list`);
  const all = list.map((value) => message(value, keys));
  const system = all.filter(({ role }) => role === 'system');
  const turns = all.filter(({ role }) => role !== 'system');
  const first = turns.findIndex(({ role }) => role === 'user');
  const last = turns.findLastIndex(({ role }) => role === 'assistant');
  if (first < 0 || last < first) throw new RowError(`"${keys.list}" has no question with an answer`);
  const kept = turns.slice(first, last + 1);
  const simple = { instruction: kept[0]!.content, input: '', output: kept.at(-1)!.content };
  return system.length === 0 && kept.length === 2 ? simple : { ...simple, messages: [...system, ...kept] };
}

const CONVERT: Readonly<Record<DataFormat, (row: Row) => Content>> = {
  alpaca: (row) => instruction(row, 'input', 'output'),
  dolly: (row) => instruction(row, 'context', 'response'),
  sharegpt: (row) => conversation(row.conversations, { list: 'conversations', role: 'from', content: 'value' }),
  messages: (row) => conversation(row.messages, { list: 'messages', role: 'role', content: 'content' }),
  completion: (row) => ({
    instruction: field(row, firstOf(row, PROMPT_KEYS) ?? PROMPT_KEYS[0]!, true),
    input: '',
    output: field(row, firstOf(row, ANSWER_KEYS) ?? ANSWER_KEYS[0]!, true),
  }),
  text: (row) => ({ instruction: '', input: '', output: '', text: field(row, 'text', true) }),
};

function instruction(row: Row, input: string, output: string): Content {
  const content = {
    instruction: field(row, 'instruction', false),
    input: field(row, input, false),
    output: field(row, output, true),
  };
  if (content.instruction.trim() === '' && content.input.trim() === '') throw new RowError('"instruction" is empty');
  return content;
}

/** Understands one row. `format` undefined: from its keys. Throws RowError. */
export function convertRow(value: unknown, format: DataFormat | undefined): Content {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RowError('it is not an object');
  const row = value as Row;
  const kind = format ?? detectFormat(row);
  if (kind === undefined) {
    const keys = Object.keys(row).slice(0, 8).join(', ');
    throw new RowError(`its keys (${keys}) are of no known format (${DATA_FORMATS.join(', ')})`);
  }
  const content = CONVERT[kind](row);
  return {
    ...content,
    ...(has(row, 'category') ? { category: field(row, 'category', false) } : {}),
    ...(has(row, 'owner') ? { owner: field(row, 'owner', false) } : {}),
  };
}
