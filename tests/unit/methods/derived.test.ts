import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { dataKeys } from '../../../src/config/keys/data.js';
import { federationKeys } from '../../../src/config/keys/federation.js';
import { trainingKeys } from '../../../src/config/keys/training.js';
import { parseConfig } from '../../../src/config/parse.js';
import { runConfigSchema } from '../../../src/config/schema.js';
import { mergeKeys } from '../../../src/merge/options.js';
import { METHODS, methodOf, methodsWith } from '../../../src/methods/index.js';
import type { Capabilities } from '../../../src/methods/method.js';
import { mutationKeys } from '../../../src/mutation/options.js';
import { POOLED } from '../../../src/pooled.js';
import { quadraticToy } from './federate.js';
import { type QuadraticClient, toyLayout } from './quadratic.js';

const wide = toyLayout(2, 4);
const clients = [0, 1, 2, 3].map((k): QuadraticClient => ({ h: 1 + k, c: new Float32Array(wide.size).fill(0.5 - k) }));

describe('the run file’s keys come from the methods', () => {
  const shape: Record<string, z.ZodType> = runConfigSchema.shape;

  it.each(METHODS)('%s', (id) => {
    for (const [key, type] of Object.entries(methodOf(id).options)) expect(shape[key], key).toBe(type);
  });

  it('which share a key only by sharing its type, and take none that means something else', () => {
    const others = { ...dataKeys, ...federationKeys, ...trainingKeys, ...mergeKeys, ...mutationKeys };
    const seen = new Map<string, z.ZodType>();
    for (const id of METHODS) {
      for (const [key, type] of Object.entries(methodOf(id).options)) {
        expect(others).not.toHaveProperty(key);
        expect(seen.get(key) ?? type, `${id}: ${key}`).toBe(type);
        seen.set(key, type);
      }
    }
    expect(seen.size).toBeGreaterThan(10);
  });
});

describe('what can be combined comes from the methods’ capabilities', () => {
  const COMBINED: readonly [Exclude<keyof Capabilities, 'gives'>, Record<string, unknown>][] = [
    ['robust', { robust: 'median' }],
    ['mutable', { mutation: 'fedmut' }],
    ['mixedRanks', { rank_per_client: 4 }],
    ['aligned', { optimizer_state: 'keep' }],
    ['rebasable', { async_buffer: 2, devices: [{ name: 'a', tokens_per_second: 1 }] }],
  ];

  it.each(METHODS.flatMap((id) => COMBINED.map(([capability, settings]) => [id, capability, settings] as const)))(
    '%s, %s: %o',
    (method, capability, settings) => {
      const parse = () => parseConfig({ method, ...settings });
      if (methodOf(method).capabilities[capability]) expect(parse().method).toBe(method);
      else expect(parse).toThrow(methodsWith(capability).join(', '));
    },
  );
});

describe('capabilities are what the halves do', () => {
  it.each(METHODS)('%s', (id) => {
    const toy = quadraticToy({ method: id }, clients);
    const { sent } = toy.round();
    const { capabilities } = methodOf(id);
    expect(toy.server.rebase !== undefined).toBe(capabilities.rebasable === true);
    expect([...sent.keys()]).toEqual(capabilities.pooled ? [POOLED] : toy.clients.map((client) => client.id));
    const { trainable: _, ...adapters } = toy.adapters(toy.clients[0]!);
    expect(Object.keys(adapters).sort()).toEqual([...capabilities.gives].sort());
    // The union of all architectures is perfit's server's alone.
    if (id !== 'perfit') expect(toy.server.global() !== undefined).toBe(capabilities.gives.includes('global'));
  });
});

it('has a line on every method', () => {
  for (const id of METHODS) expect(methodOf(id).summary, id).toMatch(/^\S.*\.$/);
});
