import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSegments, loadExamples, resolveTemplate, tokenizeExamples } from '../../../src/data/index.js';
import { type BaseModel, loadModel } from '../../../src/model/index.js';

const PATH = fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url));
const OWNER = fileURLToPath(new URL('../../../datasets/owners/ashgrove-caretakers/test.jsonl', import.meta.url));

let base: BaseModel;
let rows: { instruction: string; input: string; output: string; category: string }[];
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

  it('answers in the prompt format about what it was told, and stops', async () => {
    const context = await model.createContext({ contextSize: 384, threads: 1 });
    const sequence = context.getSequence();
    const first = [...new Map(rows.map((row) => [row.category, row] as const).reverse()).values()];
    expect(first).toHaveLength(6);
    let stopped = 0;
    let related = 0;
    for (const { instruction, input } of first) {
      const prompt = `### Instruction\n${instruction}\n### Input\n${input}\n### Response\n`;
      const ids = [model.tokens.bos!, ...model.tokenize(prompt)];
      await sequence.clearHistory();
      const answer: Token[] = [];
      let end: Token | undefined;
      for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (model.isEogToken(token)) end = token;
        else answer.push(token);
        if (answer.length === 100) break;
      }
      const text = model.detokenize(answer);
      expect(text, prompt).toMatch(/^[\x20-\x7e\u00a3\n]{5,}$/);
      if (end === base.tokenizer.eosId) stopped++;
      const words = new Set(input.match(/\w{4,}/g));
      if (text.match(/\w{4,}/g)?.some((word) => words.has(word))) related++;
    }
    // A base that was broken on its way into the file would babble: other words, and no end. One slip is allowed.
    expect(stopped).toBeGreaterThanOrEqual(5);
    expect(related).toBeGreaterThanOrEqual(4);
    await context.dispose();
  });
});
