import { describe, expect, it } from 'vitest';
import { understandRow } from '../../../src/data/formats.js';
import { loadExamples } from '../../../src/data/index.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const spoken = (row: unknown) => {
  const { messages, instruction, output } = understandRow(row).content;
  return (
    messages?.map(({ role, content, train }) => `${role}${train === false ? '-' : ''}: ${content}`) ?? [
      `user: ${instruction}`,
      `assistant: ${output}`,
    ]
  );
};
const HI = ['user: Hi', 'assistant: Hello'];

describe('one question and its answer, however they are spelt', () => {
  it.each([
    {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    },
    {
      conversations: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello' },
      ],
    },
    {
      conversations: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    },
    {
      messages: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello' },
      ],
    },
    {
      conversation: [
        { role: 'User', content: 'Hi' },
        { role: 'ASSISTANT', content: 'Hello' },
      ],
    },
    {
      chat: [
        { speaker: 'human', text: 'Hi' },
        { speaker: 'bot', text: 'Hello' },
      ],
    },
    { dialogue: ['Hi', 'Hello'] },
    { conversation: [['Hi', 'Hello']] },
    { conversation: [{ human: 'Hi', assistant: 'Hello' }] },
    {
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts: [{ text: 'Hello' }] },
      ],
    },
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'H' },
            { type: 'text', text: 'i' },
          ],
        },
        { role: 'assistant', content: [{ type: 'text', text: 'Hello' }] },
      ],
    },
    {
      messages: [
        { role: 'user', content: { type: 'text', text: 'Hi' } },
        { role: 'assistant', content: ['Hel', 'lo'] },
      ],
    },
    { messages: '[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]' },
    // As pandas writes a list into a CSV file.
    {
      messages:
        "[{'role': 'user', 'content': 'Hi', 'x': None}, {'content': \"Hello\", 'role': 'assistant', 'y': True}]",
    },
    { conversations: [{ question: 'Hi', answer: 'Hello' }] },
    { prompt: [{ role: 'user', content: 'Hi' }], completion: [{ role: 'assistant', content: 'Hello' }] },
    { prompt: [{ role: 'user', content: 'Hi' }], completion: 'Hello' },
    { prompt: 'Hi', completion: [{ role: 'assistant', content: 'Hello' }] },
    {
      messages: [
        { role: 'system', content: '' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    },
    {
      messages: [
        { role: 'system', content: null },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    },
    [
      { from: 'human', value: 'Hi' },
      { from: 'gpt', value: 'Hello' },
    ],
  ])('%j', (row) => {
    expect(spoken(row)).toEqual(HI);
  });

  it('as JSON in a CSV column, and as a list of lists', async () => {
    const csv = put(
      'a.csv',
      'messages\n"[{""role"":""user"",""content"":""Hi""},{""role"":""assistant"",""content"":""Hello""}]"\n',
    );
    const json = put('b.json', '[[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]]');
    const jsonl = put('c.jsonl', '[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]\n');
    for (const path of [csv, json, jsonl]) {
      expect((await loadExamples(path)).examples, path).toMatchObject([{ instruction: 'Hi', output: 'Hello' }]);
    }
  });
});

describe('longer conversations', () => {
  const u = (content: string) => ({ role: 'user', content });
  const a = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more });

  it.each([
    ['weight', [u('2+2?'), a('5', { weight: 0 }), u('Sure?'), a('4', { weight: 1 })]],
    ['train', [u('2+2?'), a('5', { train: false }), u('Sure?'), a('4', { train: true })]],
    ['text', [u('2+2?'), a('5', { weight: '0' }), u('Sure?'), a('4')]],
  ])('turns that are not to be learnt are context (%s)', (_, messages) => {
    expect(spoken({ messages })).toEqual(['user: 2+2?', 'assistant-: 5', 'user: Sure?', 'assistant: 4']);
  });

  it('calls of tools and their results are context', () => {
    const call = { type: 'function', id: '1', function: { name: 'weather', arguments: '{"days": 3}' } };
    const messages = [
      u('Weather?'),
      a(null, { tool_calls: [call] }),
      { role: 'tool', content: '4 C', name: 'weather' },
      a('It is 4 C.'),
    ];
    const found = understandRow({ messages }).content;
    expect(found.messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: '',
        train: false,
        toolCalls: [{ function: { name: 'weather', arguments: { days: 3 } } }],
      },
      { role: 'tool', content: '4 C', name: 'weather' },
      { role: 'assistant', content: 'It is 4 C.' },
    ]);
    expect(found.messages?.[3]?.train).toBeUndefined();
    const shared = [
      { from: 'human', value: 'a' },
      { from: 'function_call', value: '{}' },
      { from: 'observation', value: 'b' },
      { from: 'gpt', value: 'c' },
    ];
    expect(spoken({ conversations: shared })).toEqual(['user: a', 'assistant-: {}', 'tool: b', 'assistant: c']);
  });

  it('system messages stay where they are; empty answers are context', () => {
    expect(spoken({ messages: [u('a'), a(''), { role: 'system', content: 's' }, u('b'), a('c')] })).toEqual([
      'user: a',
      'assistant-: ',
      'system: s',
      'user: b',
      'assistant: c',
    ]);
  });

  it.each([
    [[u('a'), a([{ type: 'image_url', image_url: 'x' }])], /part of type "image_url"/],
    [[u('a'), a('b', { weight: 0 })], /no question with an answer that is learnt/],
    [[u('a'), a('b', { weight: 0.5 })], /"weight" is 0.5; only 0/],
    [[u('a'), { content: 'b' }], /"role" is missing/],
    ["[{'role': 'user', 'content': 'Hi", /no JSON/],
    ['[{"role": "user"', /no JSON|no known format/],
  ])('%j is refused with the reason', (messages, reason) => {
    expect(() => understandRow({ messages }, { format: 'messages' })).toThrow(reason);
  });
});

it('reads strings of Python as Python does', async () => {
  const path = put(
    'a.csv',
    `messages\n"[{'role': 'user', 'content': ""It's \\\\ a\\n\\x41\\u00e9""}, {'role': 'assistant', 'content': 'He said \\'no\\'. None'}]"\n`,
  );
  expect((await loadExamples(path)).examples).toMatchObject([
    { instruction: "It's \\ a\nAé", output: "He said 'no'. None" },
  ]);
});
