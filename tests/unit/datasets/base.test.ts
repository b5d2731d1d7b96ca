import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSegments, loadExamples, resolveTemplate, tokenizeExamples } from '../../../src/data/index.js';
import { type BaseModel, loadModel } from '../../../src/model/index.js';

const PATH = fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url));
const OWNER = fileURLToPath(new URL('../../../datasets/owners/city-library/test.jsonl', import.meta.url));

let base: BaseModel;
let rows: { instruction: string; input: string; output: string }[];
beforeAll(async () => {
  base = await loadModel('embedded');
  rows = (await readFile(OWNER, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
});

describe('the tiny base', () => {
  it('is a small llama', async () => {
    expect((await stat(PATH)).size).toBeLessThanOrEqual(4_000_000);
    expect(base.description.architecture).toBe('llama');
    expect(base.tokenizer.addBos).toBe(true);
    expect(base.tokenizer.idToToken(base.tokenizer.eosId!)).toBe('<|end|>');
  });

  it('encodes any text and gives it back', () => {
    for (const text of [...rows.map(({ output }) => output), 'Grüße, 你好 \u{1F600}\t{"a": [1, 22]}\n\n  end '])
      expect(base.tokenizer.decode(base.tokenizer.encode(text))).toBe(text);
  });

  it('writes the embedded data in fewer tokens than a sequence may have', async () => {
    const { examples } = await loadExamples('embedded');
    const template = await resolveTemplate('auto', base);
    expect(template.id).toBe('plain');
    const data = tokenizeExamples(examples, { tokenizer: base.tokenizer, template, seqLength: 192, onLong: 'error' });
    expect(data.numLong + data.numEmpty + data.numTruncated).toBe(0);
  });

  it('has a chat template that writes the format of its corpus', async () => {
    const template = await resolveTemplate('model', base);
    const example = { id: 'x', instruction: 'Make a list.', input: '', output: 'a, b' };
    const text = template
      .render(example)
      .map((segment) => segment.text)
      .join('');
    expect(text).toBe('### Instruction\nMake a list.\n### Response\na, b<|end|>');
    expect(encodeSegments(template.render(example), base.tokenizer).ids[0]).toBe(base.tokenizer.bosId);
  });
});

describe('the tiny base in llama.cpp', () => {
  let llama: Llama;
  let model: LlamaModel;
  beforeAll(async () => {
    llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
    model = await llama.loadModel({ modelPath: PATH });
  });
  afterAll(() => llama.dispose());

  it('gives the same tokens', () => {
    for (const { input, output } of rows)
      for (const text of [input, output]) expect(model.tokenize(text)).toEqual([...base.tokenizer.encode(text)]);
  });

  it('answers in the prompt format and stops', async () => {
    const context = await model.createContext({ contextSize: 256, threads: 1 });
    const { instruction, input } = {
      instruction: 'Make an order list.',
      input: 'We need six light bulbs, two mops and ten envelopes.',
    };
    const prompt = `### Instruction\n${instruction}\n### Input\n${input}\n### Response\n`;
    const answer: number[] = [];
    const ids = [model.tokens.bos!, ...model.tokenize(prompt)];
    for await (const token of context.getSequence().evaluate(ids, { temperature: 0 })) {
      if (model.isEogToken(token) || answer.length === 80) break;
      answer.push(token);
    }
    expect(answer.length).toBeGreaterThan(5);
    expect(answer.length).toBeLessThan(80);
    const text = model.detokenize(answer as never);
    for (const item of ['light bulbs', 'mops', 'envelopes']) expect(text).toContain(item);
    await context.dispose();
  });
});
