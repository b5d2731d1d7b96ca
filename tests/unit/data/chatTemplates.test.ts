import { describe, expect, it } from 'vitest';
import { chatml } from '../../../src/data/templates/builtin.js';
import { jinjaChatTemplate } from '../../../src/data/templates/jinja.js';
import type { PromptTemplate } from '../../../src/data/templates/types.js';
import { promptTokens, tokenizeExample, tokenizeExamples } from '../../../src/data/tokenize.js';
import type { Example, Message } from '../../../src/data/types.js';
import { charTokenizer } from './charTokenizer.js';

const tokenizer = charTokenizer();
const chat = (...messages: Message[]): Example => ({ id: 'x:1', instruction: '', input: '', output: '', messages });
const u = (content: string): Message => ({ role: 'user', content });
const a = (content: string): Message => ({ role: 'assistant', content });
const s = (content: string): Message => ({ role: 'system', content });
const jinja = (source: string) => jinjaChatTemplate('t', source, tokenizer);

/** Each sequence with its targets in brackets. */
function trained(template: PromptTemplate, example: Example): string[] {
  const { examples } = tokenizeExamples([example], { tokenizer, template, seqLength: 10_000 });
  return examples.map(({ tokens, lossMask }) => {
    let text = '';
    tokens.forEach((id, i) => {
      const [now, before, after] = [lossMask[i], lossMask[i - 1], lossMask[i + 1]];
      text += `${now && !before ? '⟦' : ''}${tokenizer.idToToken(id)}${now && !after ? '⟧' : ''}`;
    });
    return text;
  });
}
const asked = (template: PromptTemplate, example: Example) =>
  tokenizer.decode(promptTokens(example, { tokenizer, template }));

const TURN = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}";
const GENERATE = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const PLAIN = `{% for m in messages %}${TURN}{% endfor %}`;

describe('a template without a generation prompt', () => {
  it('has the header of the answer in its prompt', () => {
    const example = chat(u('a'), a('b'), u('c'), a('d'));
    expect(trained(jinja(PLAIN), example)).toEqual([
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦b<|im_end|>⟧\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n⟦d<|im_end|>⟧',
    ]);
    expect(asked(jinja(PLAIN), example)).toMatch(/assistant\n$/);
    expect(trained(jinja(PLAIN), example)).toEqual(trained(jinja(PLAIN + GENERATE), example));
  });
});

describe('a template that marks its answers', () => {
  it('reads {% generation %} as if it were not there', () => {
    const marked = `{% for m in messages %}{% if m.role == 'assistant' %}{{ '<|im_start|>assistant\\n' }}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}${TURN}{% endif %}{% endfor %}${GENERATE}`;
    const example = chat(u('a'), a('b'));
    expect(trained(jinja(marked), example)).toEqual(trained(jinja(PLAIN + GENERATE), example));
  });
});

describe('a template that renders earlier answers otherwise once a turn follows', () => {
  // As Qwen3: only answers behind the last question have a block for thoughts.
  const thinks = `{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}{%- for m in messages -%}{{ '<|im_start|>' + m.role + '\\n' + ('<think>\\n\\n</think>\\n\\n' if m.role == 'assistant' and loop.index0 > ns.last else '') + m.content + '<|im_end|>\\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}`;

  it('trains each answer behind its own prompt', () => {
    expect(trained(jinja(thinks), chat(u('a'), a('b'), u('c'), a('d')))).toEqual([
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\nd<|im_end|>⟧',
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\nb<|im_end|>⟧',
    ]);
  });

  it('gives no sequence to an answer that is not to be learnt', () => {
    const messages = [u('a'), { ...a('b'), train: false }, u('c'), a('d')];
    expect(trained(jinja(thinks), chat(...messages))).toHaveLength(1);
    expect(trained(jinja(PLAIN), chat(...messages))[0]).not.toContain('⟦b');
  });

  it('counts the targets of every sequence', () => {
    const result = tokenizeExample(chat(u('a'), a('b'), u('c'), a('d')), {
      tokenizer,
      template: jinja(thinks),
      seqLength: 50,
      onLong: 'truncate',
    });
    expect(result).toMatchObject({ truncated: true, more: [{ id: 'x:1#1' }] });
    if ('dropped' in result) throw new Error('dropped');
    expect(result.facts.targetsLost).toBeGreaterThan(0);
    expect(result.facts.targets).toBeGreaterThan(result.facts.targetsLost);
  });
});

describe('a generation prompt that goes further than a rendered answer', () => {
  // As DeepSeek-R1's distillations: it opens a block of thoughts, and answers lose theirs.
  const r1 = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content.split('</think>')[-1] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}`;
  const prompt = '<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\n';

  it('closes the block for an answer without thoughts, and learns nothing of it', () => {
    expect(trained(jinja(r1), chat(u('2+2?'), a('4')))).toEqual([`${prompt}\n</think>\n\n⟦4<|im_end|>⟧`]);
    expect(asked(jinja(r1), chat(u('2+2?'), a('4')))).toBe(prompt);
  });

  it('learns thoughts that the row has', () => {
    expect(trained(jinja(r1), chat(u('2+2?'), a('<think>\nadd\n</think>\n4')))).toEqual([
      `${prompt}⟦add\n</think>\n4<|im_end|>⟧`,
    ]);
  });

  it('in longer conversations, each answer behind its own', () => {
    const found = trained(jinja(r1), chat(u('2+2?'), a('4'), u('3+3?'), a('6')));
    expect(found).toHaveLength(2);
    expect(found[0]).toBe(
      '<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\n3+3?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n⟦6<|im_end|>⟧',
    );
    expect(found[1]).toBe(`${prompt}\n</think>\n\n⟦4<|im_end|>⟧`);
  });
});

describe('a template that moves the system prompt', () => {
  // As Mistral's: it stands at the last question, where that is the last message.
  const moves = `{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for m in rest %}{% if m.role == 'user' %}{{ '[INST] ' + ((sys + '\\n\\n') if (loop.last and sys is defined) else '') + m.content + '[/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}`;

  it('trains behind the prompt of inference', () => {
    expect(trained(jinja(moves), chat(s('Be brief.'), u('Why?'), a('So.')))).toEqual([
      '<s>[INST] Be brief.\n\nWhy?[/INST] ⟦So.</s>⟧',
    ]);
    expect(trained(jinja(moves), chat(s('S'), u('a'), a('b'), u('c'), a('d')))).toEqual([
      '<s>[INST] a[/INST] b</s>[INST] S\n\nc[/INST] ⟦d</s>⟧',
      '<s>[INST] S\n\na[/INST] ⟦b</s>⟧',
    ]);
  });
});

describe('what a template refuses or loses', () => {
  const alternates = `{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}${TURN}{% endfor %}${GENERATE}`;
  const deaf = `{% for m in messages %}{% if m.role in ['user', 'assistant'] %}${TURN}{% endif %}{% endfor %}${GENERATE}`;

  it.each([
    [
      'neighbours of one role',
      alternates,
      [u('a'), u('b'), a('c')],
      '<|im_start|>user\na\n\nb<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧',
    ],
    [
      'a system prompt',
      alternates,
      [s('S'), u('b'), a('c')],
      '<|im_start|>user\nS\n\nb<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧',
    ],
    [
      'a system prompt that it leaves out',
      deaf,
      [s('S'), u('b'), a('c')],
      '<|im_start|>user\nS\n\nb<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧',
    ],
    [
      'a tool that it leaves out',
      deaf,
      [u('a'), { ...a('call'), train: false }, { role: 'tool', content: '4 C' } as Message, a('c')],
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\ncall<|im_end|>\n<|im_start|>user\n4 C<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧',
    ],
    [
      'a call of a tool that it leaves out',
      PLAIN + GENERATE,
      [
        u('a'),
        { ...a(''), train: false, toolCalls: [{ function: { name: 'weather', arguments: {} } }] },
        { role: 'tool', content: '4 C' } as Message,
        a('c'),
      ],
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{"name":"weather","arguments":{}}\n</tool_call><|im_end|>\n<|im_start|>user\n4 C<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧',
    ],
  ])('%s: put into plain turns, and counted', (_, source, messages, text) => {
    expect(trained(jinja(source), chat(...messages))).toEqual([text]);
    const result = tokenizeExample(chat(...messages), { tokenizer, template: jinja(source), seqLength: 1000 });
    expect(result).toMatchObject({ facts: { reshaped: true } });
  });

  it('is a bad row, alone, or fatal where the run file says so', () => {
    const never = jinja(
      `{% if 'b' in messages[0].content %}{{ raise_exception('no b') }}{% endif %}${PLAIN}${GENERATE}`,
    );
    const examples = [chat(u('a'), a('x')), chat(u('b'), a('x')), chat(u('c'), a('x'))];
    const options = { tokenizer, template: never, seqLength: 1000 };
    expect(tokenizeExamples(examples, options)).toMatchObject({ indices: [0, 2], numRefused: 1 });
    expect(tokenizeExample(examples[1]!, options)).toMatchObject({
      dropped: 'refused',
      reason: expect.stringContaining('no b'),
    });
    expect(() => tokenizeExamples(examples, { ...options, onBadRow: 'fatal' })).toThrow(
      expect.objectContaining({ code: 'BAD_TEMPLATE', message: expect.stringContaining('x:1') }),
    );
  });
});

describe('methods of Python', () => {
  const said = (expression: string, answer: string) =>
    trained(
      jinja(
        `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + (${expression}) + '<|im_end|>\\n' }}{% endfor %}${GENERATE}`,
      ),
      chat(u('q'), a(answer)),
    )[0]!.match(/⟦(.*)<\|im_end\|>⟧/s)![1];

  it.each([
    ["m.content.lstrip('\\n')", '\n    return x', '    return x'],
    ["m.content.strip('\\n')", '\n\tx \n', '\tx '],
    ["m.content.rstrip('!.')", 'x .!.', 'x '],
    ['m.content.strip()', ' \n x \t', 'x'],
    ["m.content | trim('x')", 'xxaxx', 'a'],
    ["m.content.split('</t>')[0].rstrip('\\n').split('<t>')[-1].lstrip('\\n')", '<t>\n  a \n</t>b', '  a '],
    ["m.content.removeprefix('a').removesuffix('c')", 'abc', 'b'],
    ["m.content.rsplit('-', 1)[0]", 'a-b-c', 'a-b'],
    ["m.content.partition('-')[2]", 'a-b-c', 'b-c'],
    ["', '.join(m.content.splitlines())", 'a\nb\n', 'a, b'],
    ['m.content.capitalize()', 'aBC', 'Abc'],
    ["'yes' if m.content.find('b') == 1 else 'no'", 'abc', 'yes'],
  ])('%s', (expression, answer, wanted) => {
    expect(said(expression, answer)).toBe(wanted);
  });

  it('a day that never changes, in the format that is asked for', () => {
    expect(said("strftime_now('%d %b %Y') + strftime_now(' %Y-%m-%d')", 'x')).toBe('26 Jul 2024 2024-07-26');
  });
});

describe('control tokens', () => {
  it('in text rows are meant, and no second end token follows', () => {
    const text = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n';
    const example: Example = { id: 'x:1', instruction: '', input: '', output: '', text };
    for (const template of [chatml, jinja(PLAIN)])
      expect(trained(template, example)).toEqual([text.replace('<|im_start|>', '<|im_start|>⟦').concat('⟧')]);
    expect(trained(chatml, { ...example, text: 'plain' })).toEqual(['p⟦lain</s>⟧']);
  });

  it('in a prompt and completion that are in the chat format already are meant', () => {
    const example: Example = {
      id: 'x:1',
      instruction: '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
      input: '',
      output: 'Hello<|im_end|>',
      templated: true,
    };
    expect(trained(chatml, example)).toEqual([
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟦Hello<|im_end|>⟧',
    ]);
    expect(asked(chatml, example)).toBe(example.instruction);
  });

  it('in what users wrote are letters, and counted', () => {
    const example = { id: 'x:1', instruction: 'Ignore<|im_end|>this', input: '', output: 'No' };
    const options = { tokenizer, template: chatml, seqLength: 1000 };
    const result = tokenizeExample(example, options);
    if ('dropped' in result) throw new Error('dropped');
    expect(result.facts.controlAsText).toBe(true);
    expect([...result.example.tokens].filter((id) => id === tokenizer.eotId)).toHaveLength(2);
    const call = { type: 'function', function: { name: 'f', arguments: { x: '<|im_end|>' } } };
    const tools = chat(
      u('a'),
      { ...a(''), train: false, toolCalls: [call] },
      { role: 'tool', content: '<|im_end|>' },
      a('b'),
    );
    for (const template of [
      chatml,
      jinja(
        `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + (m.tool_calls | tojson if m.tool_calls else '') + '<|im_end|>\\n' }}{% endfor %}${GENERATE}`,
      ),
    ]) {
      const { examples } = tokenizeExamples([tools], { ...options, template });
      expect([...examples[0]!.tokens].filter((id) => id === tokenizer.eotId)).toHaveLength(4);
      expect(tokenizer.decode(examples[0]!.tokens)).toContain('"x":');
    }
  });
});
