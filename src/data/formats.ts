import { type Row, RowError, RowView, scalarText } from './columns.js';
import { conversation, isLearnt, looksLikeList, messagesOfList, weightOf } from './messages.js';
import { splitOf } from './splits.js';
import type { Columns, DataFormat, Example, Message } from './types.js';

export { RowError };

/** What a row says, before it has an id. */
export type Content = Omit<Example, 'id'>;

export const DATA_FORMATS: readonly DataFormat[] = ['alpaca', 'dolly', 'sharegpt', 'messages', 'completion', 'text'];

/** Text that begins as a chat format does: `<|im_start|>`, `<s>[INST]`, `<start_of_turn>`. */
const CHAT_OPENING = /^\s*(?:<[^\s<>]{1,40}>|\[INST\])/;

/** How rows are understood. */
export interface Understanding {
  /** undefined: from the row's keys. */
  readonly format?: DataFormat | undefined;
  readonly columns?: Columns | null | undefined;
  readonly labelColumn?: string | undefined;
}

/** A row that was understood, and what of it was not used. */
export interface Understood {
  readonly content: Content;
  /** Columns with a value that are no part of the example. */
  readonly unused: readonly string[];
  /** Turns before the first question and after the last answer. */
  readonly turnsLeftOut: number;
  /** Whether the data says that the row is not to be learnt. */
  readonly weightless: boolean;
}

/** The format that the keys of a row speak for, or undefined. */
export function detectFormat(row: Row): DataFormat | undefined {
  return formatOf(new RowView(row));
}

function formatOf(view: RowView): DataFormat | undefined {
  // Columns without a value decide only where nothing else does: so a missing answer is called that.
  return byKeys(view, (key) => view.has(key)) ?? byKeys(view, (key) => Object.hasOwn(view.row, key));
}

function byKeys(view: RowView, there: (key: string) => boolean): DataFormat | undefined {
  const list = view
    .names('messages')
    .find((key) => there(key) && (view.isMapped('messages') || looksLikeList(view.row[key])));
  if (list !== undefined) return list === 'conversations' ? 'sharegpt' : 'messages';
  const either = (keys: readonly string[]) => keys.some(there);
  const mapped = view.isMapped('prompt') || view.isMapped('answer');
  if (!mapped && there('instruction') && there('output')) return 'alpaca';
  if (!mapped && there('instruction') && there('response')) return 'dolly';
  if (either(view.names('answer')) && either([...view.names('prompt'), ...view.names('input')])) return 'completion';
  return either(view.names('text')) ? 'text' : undefined;
}

/** Answer and prompt columns that a named format has. */
const NAMED: Partial<Record<DataFormat, { readonly prompt: string; readonly answer: string }>> = {
  alpaca: { prompt: 'instruction', answer: 'output' },
  dolly: { prompt: 'instruction', answer: 'response' },
};

/** Context of the prompt, from every column of that kind. */
function inputOf(view: RowView, prompt: string): string {
  // A task beside a question: both are asked.
  const also = prompt === 'instruction' && !view.isMapped('prompt') ? ['question', 'query'] : [];
  const keys = [...also, ...view.names('input')].filter((key) => key !== prompt && view.has(key));
  return keys
    .map((key) => view.text(key, false))
    .filter((text) => text !== '')
    .join('\n');
}

/** The system prompt and the earlier turns that columns of their own hold; their answers are context. */
function beforePrompt(view: RowView): { system: Message[]; history: Message[] } {
  const systemKey = view.find('system');
  const system = systemKey === undefined ? '' : view.text(systemKey, false);
  const historyKey = view.find('history');
  const past = historyKey === undefined ? '' : view.value(historyKey);
  const none = past === '' || (typeof past === 'string' && past.trim() === '');
  const history = historyKey === undefined || none ? [] : messagesOfList(past, historyKey);
  return {
    system: system.trim() === '' ? [] : [{ role: 'system', content: system }],
    history: history.map((turn) => (turn.role === 'assistant' ? { ...turn, train: false } : turn)),
  };
}

type Body = { content: Content; turnsLeftOut: number };

function fromMessages(messages: readonly Message[], key: string): Body {
  const { messages: turns, leftOut } = conversation(messages, key);
  const [question, answer] = [turns.find(({ role }) => role === 'user')!, turns.at(-1)!];
  const simple = { instruction: question.content, input: '', output: answer.content };
  const plain = turns.length === 2 && turns[0]!.role === 'user';
  return { content: plain ? simple : { ...simple, messages: turns }, turnsLeftOut: leftOut };
}

function chat(view: RowView): Body {
  const key = view.find('messages') ?? view.names('messages')[0]!;
  const turns = messagesOfList(view.value(key), key);
  const { system, history } = beforePrompt(view);
  const same = system[0] !== undefined && turns[0]?.role === 'system' && turns[0].content === system[0].content;
  return fromMessages([...(same ? [] : system), ...history, ...turns], key);
}

function completion(view: RowView, format: DataFormat): Body {
  const named = NAMED[format];
  const promptKey = named?.prompt ?? view.find('prompt') ?? view.find('input') ?? view.names('prompt')[0]!;
  const answerKey = named?.answer ?? view.find('answer') ?? view.names('answer')[0]!;
  const { system, history } = beforePrompt(view);
  const asked = view.row[promptKey];
  if (Array.isArray(asked)) return promptList(view, promptKey, answerKey, [...system, ...history]);
  const content = {
    instruction: view.text(promptKey, false),
    input: inputOf(view, promptKey),
    output: answerText(view, answerKey),
  };
  if (content.instruction.trim() === '' && content.input.trim() === '') {
    throw new RowError(`"${promptKey}" is ${view.has(promptKey) ? 'empty' : 'missing'}`);
  }
  if (system.length + history.length > 0) {
    const question = [content.instruction, content.input].filter((text) => text !== '').join('\n');
    const turns: Message[] = [
      { role: 'user', content: question },
      { role: 'assistant', content: content.output },
    ];
    return { content: { ...content, messages: [...system, ...history, ...turns] }, turnsLeftOut: 0 };
  }
  const templated = format === 'completion' && content.input === '' && CHAT_OPENING.test(content.instruction);
  return { content: templated ? { ...content, templated } : content, turnsLeftOut: 0 };
}

/** A prompt that is a list of messages: its own answers are context. */
function promptList(view: RowView, promptKey: string, answerKey: string, before: readonly Message[]): Body {
  const asked = messagesOfList(view.value(promptKey), promptKey);
  const answer = view.value(answerKey);
  const answers: Message[] = Array.isArray(answer)
    ? messagesOfList(answer, answerKey)
    : [{ role: 'assistant', content: view.text(answerKey, true) }];
  const context = asked.map((turn) => (turn.role === 'assistant' ? { ...turn, train: false } : turn));
  return fromMessages([...before, ...context, ...answers], answerKey);
}

/** The answer; a list of messages beside a text prompt is one if it holds a single answer. */
function answerText(view: RowView, key: string): string {
  const value = view.row[key];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'object')) return view.text(key, true);
  const turns = messagesOfList(view.value(key), key);
  if (turns.length === 1 && turns[0]!.role === 'assistant' && turns[0]!.content !== '') return turns[0]!.content;
  throw new RowError(`"${key}" is a list of ${turns.length} messages beside a text "prompt"`);
}

function rawText(view: RowView): Body {
  const key = view.find('text') ?? view.names('text')[0]!;
  return { content: { instruction: '', input: '', output: '', text: view.text(key, true) }, turnsLeftOut: 0 };
}

function body(view: RowView, format: DataFormat): Body {
  if (format === 'text') return rawText(view);
  return format === 'messages' || format === 'sharegpt' ? chat(view) : completion(view, format);
}

function splitColumn(view: RowView): Pick<Content, 'split'> {
  const key = view.find('split');
  if (key === undefined) return {};
  const text = scalarText(view.row[key]);
  const split = text === undefined ? undefined : splitOf(text.trim());
  if (split === undefined) {
    // A column that is only called so is no split.
    if (!view.isMapped('split')) return {};
    throw new RowError(`"${key}" is "${text?.slice(0, 40)}", which is no name of a split (train, valid, test)`);
  }
  view.value(key);
  return { split };
}

/** Whether the data says that the row is not to be learnt. */
function isWeightless(view: RowView): boolean {
  const key = view.find('weight');
  // A column that is only called so (kilograms, shares) is no weight of the loss.
  if (key === undefined || (!view.isMapped('weight') && weightOf(view.row[key]) === undefined)) return false;
  return !isLearnt(view.value(key), key);
}

/** Understands one row. Throws RowError. */
export function understandRow(value: unknown, { format, columns, labelColumn }: Understanding = {}): Understood {
  // A list of messages without a name around it.
  const row = Array.isArray(value) && value.length > 0 ? { messages: value } : value;
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new RowError('it is not an object');
  const view = new RowView(row as Row, columns ?? {});
  const kind = format ?? formatOf(view);
  if (kind === undefined) {
    // Keys are short, save where they are no keys: the first row of a table without a header.
    const keys = Object.keys(row)
      .slice(0, 8)
      .map((name) => name.slice(0, 40))
      .join(', ');
    throw new RowError(
      `its keys (${keys}) are of no known format (${DATA_FORMATS.join(', ')}); \`columns\` says which of them are prompt and answer`,
    );
  }
  const { content, turnsLeftOut } = body(view, kind);
  const category = view.label(view.find('category'));
  const owner = view.label(view.find('owner'));
  const label = labelColumn === undefined || !view.has(labelColumn) ? undefined : view.label(labelColumn);
  return {
    content: {
      ...content,
      ...(category === undefined ? {} : { category }),
      ...(owner === undefined ? {} : { owner }),
      ...(label === undefined ? {} : { label }),
      ...splitColumn(view),
    },
    weightless: isWeightless(view),
    unused: view.unused(),
    turnsLeftOut,
  };
}
