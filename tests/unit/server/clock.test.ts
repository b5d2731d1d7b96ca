import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { deviceOf } from '../../../src/contracts/devices.js';
import type { Update } from '../../../src/contracts/messages.js';
import { workSeconds } from '../../../src/server/clock.js';
import { stalenessFactor } from '../../../src/server/late.js';
import { sampleClients, sampleSize } from '../../../src/server/sampling.js';

const update = { tokens: { train: 300, search: 100, targets: 9 } } as Update;

describe('the virtual clock', () => {
  const devices = [
    { name: 'desk', tokens_per_second: 1000, upload_mbps: 8, download_mbps: 80, share: 3 },
    { name: 'phone', tokens_per_second: 100, upload_mbps: 1, download_mbps: 8, share: 1 },
  ];

  it('takes download, training and search, and upload: by hand', () => {
    const seconds = workSeconds(devices[1]!, { update, bytesDown: 1e6, bytesUp: 25e4 });
    // 1 MB at 8 Mbit/s, 400 tokens at 100 a second, 0.25 MB at 1 Mbit/s.
    expect(seconds).toBeCloseTo(1 + 4 + 2, 9);
    expect(workSeconds(undefined, { update, bytesDown: 1e6, bytesUp: 25e4 })).toBe(0);
  });

  it('gives devices by their shares, the same one to a client always', () => {
    const config = { seed: 4, devices };
    const names = Array.from({ length: 2000 }, (_, i) => deviceOf(`client-${i}`, config)!.name);
    expect(names.filter((name) => name === 'desk').length / 2000).toBeCloseTo(0.75, 1);
    expect(deviceOf('client-7', config)).toBe(deviceOf('client-7', config));
  });
});

describe('a late update', () => {
  it('counts (1 + age)^-x', () => {
    expect([0, 3, 8].map((age) => stalenessFactor(age, 0.5))).toEqual([1, 1 / 2, 1 / 3]);
    expect(stalenessFactor(5, 0)).toBe(1);
  });
});

describe('sampling', () => {
  const clients = [1, 1, 2, 6].map((numTrain, i) => ({ id: `c${i}`, numTrain, numTargets: 1, rank: 2 }));
  const config = (settings: object) => parseConfig({ seed: 11, ...settings });

  it('takes a count or a share, at least one', () => {
    expect(sampleSize(10, { clients_per_round: 3, participation: 1 })).toBe(3);
    expect(sampleSize(10, { clients_per_round: null, participation: 0.25 })).toBe(3);
    expect(sampleSize(10, { clients_per_round: null, participation: 0.01 })).toBe(1);
  });

  it.each([
    ['uniform', [1 / 4, 1 / 4, 1 / 4, 1 / 4]],
    ['size', [0.1, 0.1, 0.2, 0.6]],
  ])('%s: each client as often as its share, drawn from the seed and the round alone', (sampling, shares) => {
    const settings = config({ sampling, clients_per_round: 1 });
    const drawn = Array.from({ length: 4000 }, (_, round) => sampleClients(clients, round, settings)[0]!.id);
    shares.forEach((share, i) => {
      expect(drawn.filter((id) => id === `c${i}`).length / 4000).toBeCloseTo(share, 1);
    });
    expect(sampleClients(clients, 17, settings)[0]!.id).toBe(drawn[17]);
  });

  it('never takes a client twice', () => {
    for (let round = 0; round < 50; round++) {
      const ids = sampleClients(clients, round, config({ sampling: 'size', clients_per_round: 3 })).map(({ id }) => id);
      expect(new Set(ids).size).toBe(3);
      expect(ids).toEqual([...ids].sort());
    }
  });
});
