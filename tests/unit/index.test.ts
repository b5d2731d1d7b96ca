import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as fedtune from '../../src/index.js';

describe('the public API', () => {
  const source = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');

  it('consists of explicit names', () => {
    expect(source).not.toMatch(/export \*|export default|^import /m);
    for (const [name, value] of Object.entries(fedtune)) expect(value, name).toBeDefined();
  });

  it('makes both halves of a method from one configuration, without an engine', () => {
    const merge = fedtune.parseConfig({ method: 'fedavg', lora_r: 2 });
    const layout = { modules: [], size: 0 };
    const init = { layout, initial: new Float32Array(0), seed: 1, numRounds: 1, options: {} };
    const clients = [{ id: 'a', numTrain: 1, numTargets: 1, rank: 2 }];
    const method = fedtune.methodOf('fedavg');
    const server = method.server({ ...init, merge, clients, arithmetic: fedtune.plainArithmetic });
    const client = method.client(init);
    expect(client.adapters(server.offer(clients[0]!), undefined, clients[0]!).global).toEqual(server.global());
  });

  it('throws errors of the types that it exports', () => {
    expect(() => fedtune.parseConfig({ lora_rank: 1 })).toThrow(fedtune.ConfigError);
    expect(new fedtune.ConfigError('x')).toBeInstanceOf(fedtune.FedtuneError);
  });
});
