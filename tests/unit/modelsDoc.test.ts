import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/model/families.js';
import { GGML_TYPES } from '../../src/model/gguf/types.js';
import { GGML_OF_DTYPE } from '../../src/model/hf/describe.js';
import { loadModel } from '../../src/model/index.js';
import { KNOWN_PARTS } from '../../src/model/tokenizer/exact.js';
import { MODEL_TYPES } from '../../src/model/tokenizer/fromJson.js';
import { preTokenizerNames } from '../../src/model/tokenizer/preTokenizers.js';
import { writeHf } from './model/buildHf.js';

const page = readFileSync(new URL('../../docs/models.md', import.meta.url), 'utf8');

/** What stands between backticks in the part of the page that a pattern cuts out. */
function names(pattern: RegExp): string[] {
  const part = pattern.exec(page)?.[1];
  if (part === undefined) throw new Error(`docs/models.md has nothing that matches ${pattern}`);
  return [...part.matchAll(/`([^`]+)`/g)].map(([, name]) => name!).sort();
}
const sorted = (list: Iterable<string>) => [...list].sort();

describe('docs/models.md', () => {
  it('lists the architectures', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\| ((?:`\w+`(?:, )?)+) +\|/gm)].map(([, name, types]) => [
      name,
      [...types!.matchAll(/`(\w+)`/g)].map(([, type]) => type),
    ]);
    expect(rows).toEqual(FAMILIES.map(({ name, modelTypes }) => [name, modelTypes]));
  });

  it('lists the types of weights', () => {
    expect(names(/^- GGUF: ([\s\S]*?), all through/m)).toEqual(
      sorted([...GGML_TYPES.values()].map(({ name }) => name)),
    );
    expect(names(/^- safetensors: (.*?)\./m)).toEqual(sorted(Object.keys(GGML_OF_DTYPE)));
  });

  it('lists what tokenizers are made of', () => {
    expect(names(/known are\n([\s\S]*?)\. Where/)).toEqual(sorted(preTokenizerNames()));
    expect(names(/`tokenizer\.json` with a (.*?) model/)).toEqual(sorted(MODEL_TYPES));
    expect(names(/^\| normalizers +\|(.*)\|$/m)).toEqual(sorted(KNOWN_PARTS.normalizers));
    expect(names(/^\| pre-tokenizers +\|(.*)\|$/m)).toEqual(sorted(KNOWN_PARTS.preTokenizers));
  });

  it('lists the scalings of RoPE: those load, others are refused', async () => {
    const factors = { short_factor: [1, 1], long_factor: [2, 2], beta_fast: 32, beta_slow: 1, attention_factor: 1 };
    const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 };
    const works: string[] = [];
    for (const rope_type of ['default', 'linear', 'llama3', 'yarn', 'longrope', 'dynamic']) {
      const rope_scaling = { rope_type, factor: 2, ...factors, ...llama3 };
      const folder = writeHf(mkdtempSync(join(tmpdir(), 'fedtune-rope-')), { config: { rope_scaling } });
      const code = await loadModel(folder).then(
        () => 'loaded',
        (error: { code: string }) => error.code,
      );
      if (code === 'loaded') works.push(rope_type);
      else expect(code, rope_type).toBe('UNSUPPORTED_ROPE');
    }
    expect(names(/^RoPE scaling of Hugging Face folders: (.*?)\. Of/m)).toEqual(sorted(works));
  });
});
