import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { jinjaChatTemplate } from '../../../src/data/templates/jinja.js';
import { encodeSegments } from '../../../src/data/tokenize.js';
import type { Message } from '../../../src/data/types.js';
import { type BaseModel, loadModel, type Tokenizer } from '../../../src/model/index.js';
import { tokenizerFromJson } from '../../../src/model/tokenizer/fromJson.js';

const MODEL = '../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf';
const REFERENCE = '../shared/reference/smollm2-135m/tokenization.json';
const JSON_FILE = '../shared/tokenizers/smollm2/tokenizer.json';
const present = [MODEL, REFERENCE, JSON_FILE].every((path) => existsSync(path));

interface Reference {
  texts: { text: string; ids: number[] }[];
  chats: { messages: Message[]; text: string; ids: number[] }[];
}

/**
 * The reference comes from transformers 5, whose GPT2Tokenizer drops the digit split of SmolLM2's tokenizer.json; the
 * file itself (run by the Rust tokenizers) and llama.cpp cut before the digit, so that " \n5" starts with one token.
 */
const DIGIT_SPLIT = '1. Tesla\n2. Hyundai\n3. Volkswagon\n4. Chevrolet \n5. Nissan';

describe.skipIf(!present)(`tokenizer parity (needs ${MODEL}, ${REFERENCE}, ${JSON_FILE})`, () => {
  let reference: Reference;
  let model: BaseModel;
  let json: Record<string, unknown>;
  let tokenizers: Record<string, Tokenizer>;

  beforeAll(async () => {
    reference = JSON.parse(readFileSync(REFERENCE, 'utf8'));
    model = await loadModel(MODEL);
    json = JSON.parse(readFileSync(JSON_FILE, 'utf8'));
    const fromJson = tokenizerFromJson({ tokenizer: json, settings: {}, config: {}, where: JSON_FILE }, 49152);
    tokenizers = { gguf: model.tokenizer, json: fromJson };
  });

  it.each(['gguf', 'json'])('%s: the ids of every text and back', (kind) => {
    const tokenizer = tokenizers[kind]!;
    expect(reference.texts).toHaveLength(111);
    for (const { text, ids } of reference.texts) {
      const came = tokenizer.encode(text, { special: true });
      if (text === DIGIT_SPLIT) {
        const at = ids.indexOf(216);
        expect(came).toEqual([...ids.slice(0, at), tokenizer.tokenToId('\u0120\u010a'), ...ids.slice(at + 2)]);
      } else expect(came, JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(came, { special: true })).toBe(text);
    }
  });

  it.each(['gguf', 'json'])('%s: chats through the template of the model', (kind) => {
    const tokenizer = tokenizers[kind]!;
    const template = jinjaChatTemplate('model', model.chatTemplate!, {
      ...roles(model.tokenizer),
      specialTokens: tokenizer.specialTokens,
    });
    expect(reference.chats).toHaveLength(30);
    for (const { messages, text, ids } of reference.chats) {
      const example = { id: '', instruction: '', input: '', output: '', messages };
      const segments = template.render(example);
      // The newline after the last end token is no part of a training sequence.
      expect(`${segments.map((segment) => segment.text).join('')}\n`).toBe(text);
      expect([...encodeSegments(segments, tokenizer).ids, ...tokenizer.encode('\n')]).toEqual(ids);
      expect(tokenizer.encode(text, { special: true })).toEqual(ids);
    }
  });

  it('a damaged tokenizer.json is a BAD_TOKENIZER', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fedtune-tokenizer-'));
    writeFileSync(join(folder, 'x.json'), '');
    const damaged: Record<string, unknown>[] = [
      {},
      { model: null },
      { model: { type: 'BPE' } },
      { model: { type: 'Klingon', vocab: {}, merges: [] } },
      { ...json, added_tokens: 'none' },
      { ...json, added_tokens: [{ id: 1 }] },
      { ...json, added_tokens: [{ id: 1e9, content: 'x' }] },
      { ...json, model: { ...(json.model as object), vocab: { a: -1 } } },
      { ...json, pre_tokenizer: { type: 'Klingon' } },
    ];
    for (const tokenizer of damaged) {
      const make = () => tokenizerFromJson({ tokenizer, settings: {}, config: {}, where: 'x' }, 49152);
      expect(make, JSON.stringify(tokenizer).slice(0, 80)).toThrow(expect.objectContaining({ code: 'BAD_TOKENIZER' }));
    }
  });
});

/** The GGUF's tokenizer knows its BOS and EOS; a bare tokenizer.json does not. */
function roles(tokenizer: Tokenizer): Tokenizer {
  return {
    ...tokenizer,
    bosId: tokenizer.bosId,
    eosId: tokenizer.eosId,
    encode: tokenizer.encode.bind(tokenizer),
    decode: tokenizer.decode.bind(tokenizer),
    tokenToId: tokenizer.tokenToId.bind(tokenizer),
    idToToken: tokenizer.idToToken.bind(tokenizer),
  };
}
