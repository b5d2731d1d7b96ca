import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as fedtune from '../../src/index.js';

describe('the public API', () => {
  const source = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');

  it('consists of explicit names', () => {
    expect(source).not.toMatch(/export \*|export default|^import /m);
    for (const [name, value] of Object.entries(fedtune)) expect(value, name).toBeDefined();
  });

  it('makes one strategy from one configuration, without an engine', () => {
    const config = fedtune.parseConfig({ method: 'fedavg', lora_r: 2 });
    const layout = { modules: [], size: 0 };
    const clients = [{ id: 'a', numTrain: 1, numTargets: 1, rank: 2 }];
    const strategy = fedtune.createStrategy({ layout, initial: new Float32Array(0), clients, seed: 1, config });
    expect(strategy.id).toBe('fedavg');
  });

  it('throws errors of the types that it exports', () => {
    expect(() => fedtune.parseConfig({ lora_rank: 1 })).toThrow(fedtune.ConfigError);
    expect(new fedtune.ConfigError('x')).toBeInstanceOf(fedtune.FedtuneError);
  });
});
