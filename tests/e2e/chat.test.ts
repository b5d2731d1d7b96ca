import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { type Message, promptTokens, resolveTemplate } from '../../src/data/index.js';
import { LlamaCpp, llamaCppAnswers, writeGgufAdapter } from '../../src/export/index.js';
import { openRun } from '../../src/run/openRun.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** The first of the embedded owners. */
const OWNER = readdirSync(fileURLToPath(new URL('../../datasets/owners', import.meta.url)), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort()[0]!;
const dir = mkdtempSync(join(tmpdir(), 'fedtune-chatting-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const SETTINGS = {
  ...{ num_rounds: 1, local_steps: 10, batch_size: 4, learning_rate: 1e-2, lora_r: 4, eval_every: 0 },
  ...{ max_train_examples: 40, max_valid_examples: 1, max_test_examples: 2 },
};

function train(name: string, more: Record<string, unknown>): string {
  const flags = Object.entries({ ...SETTINGS, ...more }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  execFileSync(process.execPath, [main, 'run', ...flags, '--output-dir', join(dir, name)], { stdio: 'ignore' });
  return join(dir, name);
}

async function chat(run: string, args: readonly string[], input?: string) {
  const got = { out: '', err: '' };
  const screen = (key: 'out' | 'err') => ({
    write: (text: string) => {
      got[key] += text;
    },
  });
  const stdin = input === undefined ? {} : { stdin: Readable.from([input]) };
  const { signal } = new AbortController();
  const code = await runCli(['chat', run, '--max-tokens', '12', ...args], {
    ...{ stdout: screen('out'), stderr: screen('err'), signal, ...stdin },
  });
  return { code, ...got };
}

/** What llama.cpp says to the prompt of training, made by hand. */
async function expected(run: string, owner: string | null, turns: readonly Message[]): Promise<string> {
  const { model, config, readAdapter } = await openRun(run);
  const template = await resolveTemplate(config.template, model);
  const instruction = turns.at(-1)!.content;
  const messages = turns.length > 1 ? { messages: [...turns, { role: 'assistant' as const, content: '' }] } : {};
  const example = { id: '', instruction, input: '', output: '', ...messages };
  const prompt = [...promptTokens(example, { tokenizer: model.tokenizer, template })];
  const lora = join(dir, 'expected.gguf');
  if (owner !== null) await writeGgufAdapter(lora, await readAdapter(owner), model);
  const [text] = await llamaCppAnswers({
    ...{ modelPath: model.path, adapters: [owner === null ? null : lora], prompt, maxTokens: 12 },
  });
  return text!;
}

const user = (content: string): Message => ({ role: 'user', content });

describe.skipIf(!existsSync(main))('fedtune chat (needs npm run build:ts)', { timeout: 200_000 }, () => {
  let run = '';
  let turns = '';
  beforeAll(() => {
    run = train('single', {});
    turns = train('turns', { template: 'chatml' });
  }, 200_000);

  it('asks by the template that was trained, base and adapter side by side', async () => {
    const { code, out, err } = await chat(run, ['--owner', OWNER, '--compare', '--json', '--prompt', 'Open today?']);
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toEqual({
      question: 'Open today?',
      answers: {
        base: await expected(run, null, [user('Open today?')]),
        [OWNER]: await expected(run, OWNER, [user('Open today?')]),
      },
    });
  });

  it('goes on with a conversation where the template has turns, until it is told to begin anew', async () => {
    const { code, out } = await chat(turns, ['--owner', 'global', '--json'], 'Hello\nAnd then?\n/new\nAnd then?\n');
    expect(code).toBe(0);
    const [first, second, third] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).answers.global as string);
    expect(first).toBe(await expected(turns, 'global', [user('Hello')]));
    const history: Message[] = [user('Hello'), { role: 'assistant', content: first! }, user('And then?')];
    expect(second).toBe(await expected(turns, 'global', history));
    expect(third).toBe(await expected(turns, 'global', [user('And then?')]));
  });

  it('says so where the template has none, and shows what it says while it is written', async () => {
    const { out } = await chat(run, ['--owner', 'global', '--prompt', 'Hello', 'And then?']);
    expect(out).toContain('(without the first 2 turns');
    expect(out).toContain(await expected(run, 'global', [user('And then?')]));
    const llama = await LlamaCpp.open((await openRun(run)).model.path);
    const speaker = await llama.speaker({ lora: null, contextSize: 64 });
    const prompt = (await openRun(run)).model.tokenizer.encode('### Instruction\nWhen do you open?\n### Response\n');
    const pieces: string[] = [];
    const text = await speaker.answer({ prompt, maxTokens: 20, onText: (piece) => pieces.push(piece) });
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join('')).toBe(text);
    await llama.dispose();
  });

  it.each([
    [['--owner', `${OWNER.slice(0, -2)}${OWNER.at(-1)}`], 2, `Did you mean "${OWNER}"?`],
    [['--owner', 'global'], 2, 'Expected --prompt'],
    [['--owner', 'global', '--temperature', '-1'], 2, 'Expected a number from 0'],
    [['--owner', 'global', '--prompt', 'word '.repeat(3000)], 1, 'Expected a question of at most'],
    [['--owner', 'global', '--prompt', 'a', '--gguf', 'none.gguf'], 1, 'llama.cpp'],
  ])('says what is wrong with %j, and leaves nothing behind', async (args, code, message) => {
    const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('fedtune-chat-')).length;
    const before = left();
    const got = await chat(run, args);
    expect(got.code).toBe(code);
    expect(got.err).toContain(message);
    expect(left()).toBe(before);
  });
});
