import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveTemplate, TEMPLATE_IDS } from '../../../src/data/templates/resolve.js';
import type { PromptTemplate, Segment } from '../../../src/data/templates/types.js';
import type { Example, Message } from '../../../src/data/types.js';
import { charTokenizer } from './charTokenizer.js';

const tokenizer = charTokenizer(['<s>', '</s>', '<|im_start|>', '<|im_end|>', '<|eot_id|>']);
const model = { name: 'some model', tokenizer, embedded: false };
const example: Example = { id: 'x:1', instruction: 'Add.', input: '1, 2', output: '3' };
const chat = (...messages: Message[]): Example => ({ ...example, messages });
const textOf = (segments: readonly Segment[]) => segments.map(({ text }) => text).join('');
const targets = (segments: readonly Segment[]) => textOf(segments.filter(({ target }) => target));

const dir = mkdtempSync(join(tmpdir(), 'fedtune-templates-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
function put(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

const JINJA =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

describe('built-in templates', () => {
  it.each([
    ['chatml', '<|im_start|>user\nAdd.\n1, 2<|im_end|>\n<|im_start|>assistant\n3<|im_end|>', '3<|im_end|>'],
    [
      'llama3',
      '<|start_header_id|>user<|end_header_id|>\n\nAdd.\n1, 2<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\n3<|eot_id|>',
      '3<|eot_id|>',
    ],
    [
      // https://github.com/tatsu-lab/stanford_alpaca, README, "Data Release"
      'alpaca',
      'Below is an instruction that describes a task, paired with an input that provides further context. Write a ' +
        'response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1, 2\n\n### Response:\n3',
      '3',
    ],
    ['plain', '### Instruction\nAdd.\n### Input\n1, 2\n### Response\n3', '3'],
  ])('%s', async (id, text, answer) => {
    const template = await resolveTemplate(id, model);
    expect(textOf(template.render(example))).toBe(text);
    expect(targets(template.render(example))).toBe(answer);
    expect(textOf(template.prompt(example)) + answer).toBe(text);
  });

  it('leave out an input that is not there', async () => {
    const without = { ...example, input: '' };
    expect(textOf((await resolveTemplate('alpaca', model)).render(without))).toContain('a task. Write a response');
    expect(textOf((await resolveTemplate('chatml', model)).render(without))).toContain('user\nAdd.<|im_end|>');
  });

  it('of one turn refuse a conversation, and put a system message before the question', async () => {
    const template = await resolveTemplate('alpaca', model);
    const brief: Message = { role: 'system', content: 'Be brief.' };
    const turns: Message[] = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    expect(textOf(template.render(chat(brief, ...turns)))).toContain('### Instruction:\nBe brief.\na\n');
    expect(() => template.render(chat(...turns, ...turns))).toThrow(
      expect.objectContaining({
        code: 'TEMPLATE_TURNS',
        message: expect.stringContaining('the conversation has 4 turns'),
      }),
    );
  });
});

describe('which template', () => {
  it('auto: the model\u2019s own, else alpaca; plain for the embedded base', async () => {
    expect((await resolveTemplate('auto', { ...model, chatTemplate: JINJA })).id).toBe('model');
    expect((await resolveTemplate('auto', model)).id).toBe('alpaca');
    expect((await resolveTemplate('auto', { ...model, embedded: true })).id).toBe('plain');
  });

  it('model: an error where it has none', async () => {
    await expect(resolveTemplate('model', model)).rejects.toMatchObject({ code: 'NO_CHAT_TEMPLATE' });
  });

  it('a name that is neither: an error that lists them', async () => {
    await expect(resolveTemplate('chatlm', model)).rejects.toMatchObject({
      code: 'UNKNOWN_TEMPLATE',
      message: expect.stringContaining(TEMPLATE_IDS.join(', ')),
    });
  });
});

describe('templates in files', () => {
  it('Jinja over messages', async () => {
    const template = await resolveTemplate(put('chat.jinja', JINJA), model);
    expect(targets(template.render(example))).toBe('3<|im_end|>');
    const two = chat(
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
      { role: 'assistant', content: 'd' },
    );
    expect(targets(template.render(two))).toBe('b<|im_end|>d<|im_end|>');
    expect(textOf(template.prompt(two)).endsWith('user\nc<|im_end|>\n<|im_start|>assistant\n')).toBe(true);
  });

  it('Jinja over instruction and input', async () => {
    const file = put('one.jinja', 'Q: {{ instruction }} ({{ input }})\nA: ');
    const template = await resolveTemplate(file, model);
    expect(textOf(template.render(example))).toBe('Q: Add. (1, 2)\nA: 3');
    expect(targets(template.render(example))).toBe('3');
  });

  it('JSON of Alpaca-LoRA', async () => {
    const file = put(
      'a.json',
      JSON.stringify({ prompt_input: '{instruction}|{input}|', prompt_no_input: '{instruction}|' }),
    );
    const template = await resolveTemplate(file, model);
    expect(textOf(template.render(example))).toBe('Add.|1, 2|3');
    // What a user wrote is not looked through for places to fill.
    expect(textOf(template.render({ ...example, instruction: '{input}' }))).toBe('{input}|1, 2|3');
    expect(textOf(template.render({ ...example, input: '' }))).toBe('Add.|3');
  });

  it.each([
    ['broken.jinja', '{% for m in messages %}', example],
    ['raises.jinja', "{{ raise_exception('no roles') }}{{ messages }}", example],
    ['bad.json', '{"prompt_input": 3}', example],
    ['bad2.json', 'null', example],
    [
      // Drops all but the last turn, so that the answers before it cannot be found.
      'forgets.jinja',
      '{% set m = messages[messages|length - 1] %}{{ m.content }}',
      chat(
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
        { role: 'assistant', content: 'd' },
      ),
    ],
  ])('%s is a BAD_TEMPLATE', async (name, source, given) => {
    const render = async (): Promise<PromptTemplate> => {
      const template = await resolveTemplate(put(name, source), model);
      template.render(given);
      return template;
    };
    await expect(render()).rejects.toMatchObject({ name: 'DataError', code: 'BAD_TEMPLATE' });
  });
});
