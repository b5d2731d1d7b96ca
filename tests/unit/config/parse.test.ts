import { describe, expect, it } from 'vitest';
import { parseTarget, TARGETS } from '../../../src/adapter/layout.js';
import { nearest } from '../../../src/config/nearest.js';
import { parseConfig } from '../../../src/config/parse.js';
import { CONFIG_KEYS } from '../../../src/config/schema.js';
import { ConfigError } from '../../../src/errors.js';

function errorOf(input: unknown): ConfigError {
  try {
    parseConfig(input);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).exitCode).toBe(2);
    return error as ConfigError;
  }
  throw new Error(`${JSON.stringify(input)} was taken`);
}

describe('an unknown key', () => {
  it.each([
    ['lora_rank', 'lora_r'],
    ['learning_rat', 'learning_rate'],
    ['lerning_rate', 'learning_rate'],
    ['batchsize', 'batch_size'],
    ['lora-r', 'lora_r'],
    ['rounds', 'num_rounds'],
    ['clients', 'num_clients'],
    ['epochs', 'local_epochs'],
    ['outptu_dir', 'output_dir'],
  ])('%s: did you mean %s?', (key, meant) => {
    const error = errorOf({ [key]: 1 });
    expect(error.code).toBe('UNKNOWN_KEY');
    expect(error.message).toContain(`Did you mean "${meant}"?`);
  });

  it.each(['zebra', 'toString', '__proto__', 'constructor'])('%s: no guess, where the list is', (key) => {
    const error = errorOf(JSON.parse(`{"${key}": 1}`));
    expect(error.code).toBe('UNKNOWN_KEY');
    expect(error.message).toContain('fedtune keys');
  });

  it('is never guessed where nothing is near', () => {
    expect(nearest('zebra', CONFIG_KEYS)).toBeUndefined();
  });
});

describe('a wrong value says what was expected and what came', () => {
  it.each([
    [{ lora_r: 0 }, 'lora_r: Too small: expected number to be >0, received 0.'],
    [{ lora_r: 'x' }, 'lora_r: expected number, received "x".'],
    [{ local_steps: 2.5 }, 'local_steps: expected int, received 2.5.'],
    [{ learning_rate: Number.NaN }, 'learning_rate: expected number, received NaN.'],
    [{ learning_rate: Number.POSITIVE_INFINITY }, 'learning_rate: expected number, received Infinity.'],
    [{ seed: 2 ** 32 }, 'seed: Too big: expected number to be <=4294967295, received 4294967296.'],
    [{ data: 3 }, 'data: expected string or array, received 3.'],
    [{ rank_per_client: 'x' }, 'rank_per_client: expected number or array or record, received "x".'],
    [{ rank_per_client: [4, 0] }, 'rank_per_client.1: Too small: expected number to be >0, received 0.'],
    [{ precision: 'bf16' }, 'precision: expected one of "int8"|"f32"|"int4", received "bf16".'],
    [{ precision: 'in8' }, 'expected one of "int8"|"f32"|"int4", received "in8". Did you mean "int8"?'],
    [{ method: 'fedvag' }, 'method: expected a known name, received "fedvag". Did you mean "fedavg"?'],
    [{ method: 'FFA_LoRA' }, 'received "FFA_LoRA". Did you mean "ffa-lora"?'],
    [{ method: 'perfect-lora' }, 'method: expected one of "fedavg"|"local"|'],
    [{ devices: [{ name: 'phone' }] }, 'devices.0.tokens_per_second: expected number, received nothing.'],
    [{ num_rounds: null }, 'num_rounds: expected number, received null.'],
  ])('%j', (input, line) => {
    expect(errorOf(input).message).toContain(line);
  });

  it('lists all of them', () => {
    const { message, code } = errorOf({ lora_r: 0, precision: 'int2', method: 'fedav' });
    expect(code).toBe('CONFIG');
    for (const key of ['lora_r', 'precision', 'method']) expect(message).toContain(`\n  ${key}: `);
  });

  it.each([null, [], 'text', 3])('no table: %j', (input) => {
    expect(errorOf(input).message).toContain('a table of keys and values');
  });
});

describe('keys that do not go together', () => {
  const device = { name: 'phone', tokens_per_second: 100 };
  it.each([
    [{ local_steps: 3, local_epochs: 2 }, 'local_steps (3) or local_epochs (2)'],
    [{ clients_per_round: 3, participation: 0.5 }, 'clients_per_round (3) or participation (0.5)'],
    [{ num_clients: 4, clients_per_round: 5 }, 'clients_per_round (5) is more than num_clients (4)'],
    [{ num_clients: 4, min_clients: 5 }, 'min_clients (5) is more than num_clients (4)'],
    [{ valid_fraction: 0.5, test_fraction: 0.5 }, 'leave nothing to train on'],
    [{ finetune_epochs: 1, finetune_steps: 2 }, 'finetune_epochs (1) or finetune_steps (2)'],
    [{ take_home: 'local' }, 'also_local: true'],
    [{ take_home: 'tuned' }, 'needs finetune_epochs or finetune_steps'],
    [{ deadline: 3 }, 'deadline needs devices'],
    [{ async_buffer: 2 }, 'async_buffer needs devices'],
    [{ async_buffer: 2, deadline: 3, devices: [device] }, 'exclude each other'],
    [{ async_buffer: 2, devices: [device], mutation: 'fedqp' }, 'synchronous rounds'],
    [{ async_buffer: 2, devices: [device], method: 'scaffold' }, 'not with scaffold'],
    [{ late: 'discount', deadline: 3, devices: [device], method: 'flora' }, 'not with flora'],
    [{ robust: 'median', method: 'flora' }, 'not of flora'],
    [{ robust: 'krum', method: 'perfit' }, 'needs equal masks'],
    [{ mutation: 'fedmut', method: 'flora' }, 'not with flora'],
    [{ mutation: 'fedmut', method: 'rolora' }, 'not with rolora'],
    [{ mutation: 'fedqp', robust: 'median' }, 'take one of the two'],
    [{ robust: 'multi_krum', byzantine: 2, num_clients: 6 }, 'needs 7 clients a round'],
    [{ sampling: 'size', merge_weights: 'tokens' }, "counts a client's size twice"],
    [{ rank_per_client: 4, method: 'fedavg' }, 'not with fedavg'],
    [{ memory_budget_mb: 4, method: 'scaffold' }, 'not with scaffold'],
    [{ use_rslora: true, lora_alpha: 1e6 }, 'out of proportion'],
  ])('%j', (input, text) => {
    const error = errorOf(input);
    expect(error.code).toBe('CONFIG_CONFLICT');
    expect(error.message).toContain(text);
  });

  it.each([
    [{ local_steps: 3 }],
    [{ clients_per_round: 3, num_clients: 4 }],
    [{ take_home: 'local', also_local: true }],
    [{ take_home: 'local', method: 'local' }],
    [{ deadline: 3, devices: [device] }],
    [{ rank_per_client: 4, method: 'perfit' }],
    // A strategy of one's own answers for itself.
    [{ mutation: 'fedqp', strategy: 'mine.mjs', method: 'flora' }],
    [{ robust: 'krum', num_clients: 5 }],
    [{ sampling: 'size', merge_weights: 'uniform' }],
    [{ mutation: 'fedmut-released', mutate: 'both', num_clients: 2 }],
  ])('%j goes', (input) => {
    expect(() => parseConfig(input)).not.toThrow();
  });

  it('are all said at once', () => {
    const { message } = errorOf({ local_steps: 3, local_epochs: 2, take_home: 'tuned' });
    expect(message.split('\n')).toHaveLength(3);
  });
});

describe('a complete configuration', () => {
  it('has a value for every key and cannot be changed', () => {
    const config = parseConfig({});
    expect(Object.keys(config).sort()).toEqual([...CONFIG_KEYS].sort());
    expect(Object.values(config)).not.toContain(undefined);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('trains one epoch a round unless told otherwise; caps validation as the test', () => {
    expect(parseConfig({})).toMatchObject({ local_epochs: 1, local_steps: null, max_valid_examples: null });
    expect(parseConfig({ local_steps: 3 })).toMatchObject({ local_epochs: null, local_steps: 3 });
    expect(parseConfig({ max_test_examples: 9 }).max_valid_examples).toBe(9);
    expect(parseConfig({ max_test_examples: 9, max_valid_examples: 2 }).max_valid_examples).toBe(2);
  });

  it('names the linear layers as the adapter knows them', () => {
    const defaults = parseConfig({}).target_modules;
    expect(defaults.map(parseTarget)).toEqual([...TARGETS]);
    expect(parseConfig({ target_modules: [...TARGETS] }).target_modules).toEqual([...TARGETS]);
    expect(errorOf({ target_modules: ['q_proj', 'lm_head'] }).message).toContain('received "lm_head"');
  });

  it('takes questions of all and of one owner, and none of an owner on a machine of its own', () => {
    const samples = ['When?', { owner: 'north', question: 'Who?' }];
    expect(parseConfig({ samples }).samples).toEqual(samples);
    expect(() => parseConfig({ samples, runtime: 'nats', federation: 'net' })).toThrow(/samples of its owner\.yaml/);
    for (const bad of [[''], [{ owner: 'north' }], [{ owner: '', question: 'Who?' }], [3]]) {
      expect(() => parseConfig({ samples: bad })).toThrow(ConfigError);
    }
  });
});
