import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { type Message, type PromptTemplate, promptTokens, resolveTemplate } from '../data/index.js';
import { ConfigError, DataError, InterruptedError } from '../errors.js';
import { LlamaCpp, llamaCppFile, type Speaker, writeGgufAdapter } from '../export/index.js';
import type { BaseModel } from '../model/index.js';
import { openRun } from '../run/openRun.js';
import { printable } from '../text.js';
import type { CliContext } from './context.js';
import { atLeast, wholeNumber } from './numbers.js';

/** Longest context that is opened; a base may have one that fills the memory. */
const MAX_CONTEXT = 4096;

interface ChatFlags {
  readonly owner: string;
  readonly compare?: boolean;
  readonly prompt?: readonly string[];
  readonly gguf?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed?: number;
  readonly json?: boolean;
}

/** What one side of the comparison has heard and said. */
interface Side {
  readonly name: string;
  readonly speaker: Speaker;
  history: Message[];
}

interface Chat {
  readonly model: BaseModel;
  /** The one that was trained with. */
  readonly template: PromptTemplate;
  readonly sides: readonly Side[];
  readonly contextSize: number;
  readonly flags: ChatFlags;
}

const HELP = '/new begins anew, /quit or the end of the input ends.';

/** Ids of a question behind what was said, exactly as in training. */
function promptOf({ model, template }: Chat, history: readonly Message[], question: string): readonly number[] {
  const { tokenizer } = model;
  const turns: Message[] = [...history, { role: 'user', content: question }, { role: 'assistant', content: '' }];
  const example = { id: 'chat', instruction: question, input: '', output: '' };
  return [...promptTokens(history.length === 0 ? example : { ...example, messages: turns }, { tokenizer, template })];
}

/** The prompt with as much of the history as template and context have room for; `left` of its turns are left out. */
function fittingPrompt(chat: Chat, history: readonly Message[], question: string) {
  const room = chat.contextSize - Math.min(chat.flags.maxTokens, Math.floor(chat.contextSize / 2));
  for (let left = 0; left <= history.length; left += 2) {
    try {
      const prompt = promptOf(chat, history.slice(left), question);
      if (prompt.length <= room) return { prompt, left };
    } catch (error) {
      // A template of single questions.
      if (!(error instanceof DataError && error.code === 'TEMPLATE_TURNS')) throw error;
    }
  }
  throw new DataError('TOO_LONG', `Expected a question of at most ${room} tokens but this one is longer.`);
}

/** Asks one side, showing the answer as it is written. */
async function ask(chat: Chat, side: Side, question: string, { stdout, signal }: CliContext): Promise<string> {
  const { maxTokens, temperature, seed, json, compare } = chat.flags;
  const { prompt, left } = fittingPrompt(chat, side.history, question);
  if (left > 0 && !json) stdout.write(`(without the first ${left} turns: template or context have no room for them)\n`);
  if (compare && !json) stdout.write(`${side.name}:\n`);
  const onText = json ? undefined : (piece: string) => void stdout.write(printable(piece));
  const room = Math.min(maxTokens, chat.contextSize - prompt.length);
  const text = await side.speaker.answer({ prompt, maxTokens: room, temperature, seed, onText, signal });
  if (signal.aborted) throw new InterruptedError('Interrupted.');
  if (!json) stdout.write('\n');
  side.history = [
    ...side.history.slice(left),
    { role: 'user', content: question },
    { role: 'assistant', content: text },
  ];
  return text;
}

/** Questions that were given, else lines of the input. */
async function* questions(chat: Chat, { stdin, stdout }: CliContext): AsyncGenerator<string> {
  const { prompt, json } = chat.flags;
  if (prompt) {
    yield* prompt;
    return;
  }
  if (stdin === undefined) throw new ConfigError('Expected --prompt, as there is no input to read questions from.');
  const isTerminal = (stdin as { isTTY?: boolean }).isTTY === true && !json;
  if (isTerminal) stdout.write(`${HELP}\n\n> `);
  for await (const line of createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const question = line.trim();
    if (question === '/quit') return;
    if (question === '/new') for (const side of chat.sides) side.history = [];
    else if (question !== '') yield question;
    if (isTerminal) stdout.write('\n> ');
  }
}

async function runChat(run: string, flags: ChatFlags, context: CliContext): Promise<void> {
  const opened = await openRun(run);
  const { model, config } = opened;
  const modelPath = llamaCppFile(model, flags.gguf);
  const adapter = await opened.readAdapter(flags.owner);
  const template = await resolveTemplate(config.template, model);
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-chat-'));
  let llama: LlamaCpp | undefined;
  try {
    const lora = join(dir, 'adapter.gguf');
    await writeGgufAdapter(lora, adapter, model);
    llama = await LlamaCpp.open(modelPath);
    const contextSize = Math.min(model.description.contextLength, MAX_CONTEXT);
    const sides: Side[] = [];
    for (const [name, path] of [...(flags.compare ? [['base', null] as const] : []), [flags.owner, lora] as const]) {
      const speaker = await llama.speaker({ lora: path, contextSize, threads: availableParallelism() });
      sides.push({ name, speaker, history: [] });
    }
    const chat: Chat = { model, template, sides, contextSize, flags };
    for await (const question of questions(chat, context)) {
      const answers: Record<string, string> = {};
      for (const side of sides) answers[side.name] = await ask(chat, side, question, context);
      if (flags.json) context.stdout.write(`${JSON.stringify({ question, answers })}\n`);
    }
  } finally {
    await llama?.dispose();
    await rm(dir, { recursive: true, force: true });
  }
}

const EXAMPLES = `
Examples:
  fedtune chat runs/mine --owner north
  fedtune chat runs/mine --owner north --compare --prompt 'When do you open on Monday?'`;

/** `fedtune chat RUN`. */
export function addChatCommand(program: Command, context: CliContext): void {
  program
    .command('chat')
    .description("talk to the base with an owner's adapter, by the template that was trained")
    .argument('<run>', 'run folder')
    .requiredOption('--owner <id>', 'owner id, or global for the shared adapter')
    .option('--compare', 'let the bare base answer as well, before it')
    .option('--prompt <question...>', 'ask this and end, instead of reading lines')
    .option('--max-tokens <n>', 'longest answer in tokens', wholeNumber, 256)
    .option('--temperature <t>', '0: the likeliest token each time', atLeast(0), 0)
    .option('--seed <n>', 'of what is drawn, with a temperature', wholeNumber)
    .option('--gguf <file>', 'GGUF file of the base, where the run has it as a folder')
    .option('--json', 'print one JSON document a question')
    .addHelpText('after', EXAMPLES)
    .action((run: string, flags: ChatFlags) => runChat(run, flags, context));
}
