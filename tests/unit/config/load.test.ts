import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configJsonSchema, diffConfig, dumpConfig } from '../../../src/config/dump.js';
import { loadConfig, parseAssignment, parseRunFile } from '../../../src/config/load.js';
import { parseConfig } from '../../../src/config/parse.js';
import { CONFIG_KEYS } from '../../../src/config/schema.js';
import fc from '../../support/properties.js';

const dir = mkdtempSync(join(tmpdir(), 'fedtune-config-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const put = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

describe('a run file', () => {
  it('that is not there can be written by a command', async () => {
    const file = join(dir, 'none.yaml');
    await expect(loadConfig({ file })).rejects.toThrow(`there is none; \`fedtune init ${file}\` writes one.`);
    await expect(loadConfig({ file: dir })).rejects.toThrow('it cannot be read: EISDIR');
  });

  it('is YAML or JSON; overrides come on top', async () => {
    const yaml = put('a.yaml', 'method: fedprox\nlearning_rate: 1e-3 # as PEFT\nlora_r: 4\n');
    expect(await loadConfig({ file: yaml, overrides: { lora_r: 16 } })).toMatchObject({
      method: 'fedprox',
      learning_rate: 1e-3,
      lora_r: 16,
    });
    expect(await loadConfig({ file: put('a.json', '{"method": "local"}') })).toMatchObject({ method: 'local' });
    expect(await loadConfig({ file: put('empty.yaml', '# nothing\n') })).toEqual(parseConfig({}));
  });

  it.each([
    ['list.yaml', '- a\n- b\n', /to be a table of keys and values/],
    ['broken.yaml', 'a: [1,\nb: 2', /is not valid YAML/],
    ['key.yaml', 'lora_rank: 4\n', /key\.yaml.*Did you mean "lora_r"/],
    ['value.yaml', 'lora_r: four\n', /Wrong values in .*value\.yaml:\n {2}lora_r: expected number, received "four"/],
  ])('%s is refused by name', async (name, text, message) => {
    await expect(loadConfig({ file: put(name, text) })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(message),
    });
  });

  it('that is missing is named', async () => {
    await expect(loadConfig({ file: join(dir, 'none.yaml') })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining(join(dir, 'none.yaml')),
    });
  });
});

describe('key=value', () => {
  it.each([
    ['lora_r=16', 'lora_r', 16],
    ['lora-r=16', 'lora_r', 16],
    ['learning_rate=1e-3', 'learning_rate', 1e-3],
    ['use_rslora=true', 'use_rslora', true],
    ['num_clients=null', 'num_clients', null],
    ['strategy=null', 'strategy', null],
    ['strategy=my strategy.mjs', 'strategy', 'my strategy.mjs'],
    ['target_modules=[q_proj, v_proj]', 'target_modules', ['q_proj', 'v_proj']],
    ['rank_per_client={north: 4, south: 8}', 'rank_per_client', { north: 4, south: 8 }],
    ['data=[a.jsonl, b.jsonl]', 'data', ['a.jsonl', 'b.jsonl']],
    // Texts stay as they are written, even if YAML would see something else in them.
    ['data=owners/*.jsonl', 'data', 'owners/*.jsonl'],
    ['data={a,b}.jsonl', 'data', '{a,b}.jsonl'],
    ['data=2024', 'data', '2024'],
    ['model=true', 'model', 'true'],
    ['model=null', 'model', 'null'],
    ['model=my model #2.gguf', 'model', 'my model #2.gguf'],
    ['model=C:\\models\\a.gguf', 'model', 'C:\\models\\a.gguf'],
    ['model_revision=1.10', 'model_revision', '1.10'],
    ['output_dir=a=b', 'output_dir', 'a=b'],
    // Wrong values come through as what they are, for the error to show.
    ['lora_r=0', 'lora_r', 0],
    ['lora_r=four', 'lora_r', 'four'],
  ])('%s', (text, key, value) => {
    expect(parseAssignment(text)).toEqual([key, value]);
  });

  it.each(['lora_r', '=3', '', 'lora_rank=3'])('%j is refused', (text) => {
    expect(() => parseAssignment(text)).toThrow(expect.objectContaining({ name: 'ConfigError' }));
  });
});

/** Any configuration of some keys of every kind. */
const settings = fc.record(
  {
    method: fc.constantFrom('fedavg', 'perfit', 'hetlora'),
    model: fc.string({ minLength: 1 }),
    data: fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 })),
    learning_rate: fc.double({ min: 1e-12, max: 10, noNaN: true }),
    seed: fc.integer({ min: 0, max: 0xffff_ffff }),
    num_clients: fc.option(fc.integer({ min: 1, max: 99 })),
    rewind: fc.boolean(),
    output_dir: fc.string({ unit: 'grapheme', minLength: 1 }),
    finetune_epochs: fc.double({ min: 0, max: 9, noNaN: true }),
    devices: fc.array(fc.record({ name: fc.string({ minLength: 1 }), tokens_per_second: fc.integer({ min: 1 }) }), {
      maxLength: 2,
    }),
  },
  { requiredKeys: [] },
);

describe('the resolved configuration', () => {
  it('loads back to the same', () => {
    fc.assert(
      fc.property(settings, (input) => {
        const config = parseConfig(input);
        const back = parseConfig(parseRunFile(dumpConfig(config), 'config.yaml'));
        expect(back).toEqual(config);
        expect(diffConfig(config, back)).toEqual([]);
      }),
    );
  });

  it('differs where it differs', () => {
    const [a, b] = [parseConfig({}), parseConfig({ lora_r: 4, data: ['x'] })];
    expect(diffConfig(a, b)).toEqual([
      { key: 'data', before: 'embedded', after: ['x'] },
      { key: 'lora_r', before: 8, after: 4 },
    ]);
  });
});

describe('the JSON Schema', () => {
  it('describes every key and forbids others', () => {
    const schema = configJsonSchema() as {
      properties: Record<string, { description?: string }>;
      additionalProperties: unknown;
      required?: string[];
    };
    expect(Object.keys(schema.properties)).toEqual([...CONFIG_KEYS]);
    expect(schema.additionalProperties).toBe(false);
    expect(schema.required ?? []).toEqual([]);
    for (const [key, property] of Object.entries(schema.properties)) expect(property.description, key).toBeTruthy();
  });

  it('knows the keys of every shipped run file', () => {
    const examples = fileURLToPath(new URL('../../../examples', import.meta.url));
    const files = readdirSync(examples).filter((name) => name.endsWith('.yaml'));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) {
      const content = parse(readFileSync(join(examples, name), 'utf8'));
      expect(() => parseConfig(content, name), name).not.toThrow();
    }
  });
});
