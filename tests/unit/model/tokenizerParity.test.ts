import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/model/index.js';

const MODEL = '../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf';
const REFERENCE = '../shared/reference/smollm2-135m/tokenization.json';
const present = existsSync(MODEL) && existsSync(REFERENCE);

interface Reference {
  texts: { text: string; ids: number[] }[];
  chats: { messages: { role: string; content: string }[]; text: string; ids: number[] }[];
}

describe.skipIf(!present)(`tokenizer parity on ${REFERENCE}`, async () => {
  if (!present) return;
  const reference = JSON.parse(readFileSync(REFERENCE, 'utf8')) as Reference;
  const model = await loadModel(MODEL);

  it('texts', () => {
    for (const { text, ids } of reference.texts)
      expect(model.tokenizer.encode(text, { special: true }), text).toEqual(ids);
  });
  it('chats', () => {
    for (const { text, ids } of reference.chats) expect(model.tokenizer.encode(text, { special: true })).toEqual(ids);
  });
});
