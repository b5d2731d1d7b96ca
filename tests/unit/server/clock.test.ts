import { describe, expect, it } from 'vitest';
import type { ClientResult } from '../../../src/client/job.js';
import { parseConfig } from '../../../src/config/parse.js';
import { deviceOf, jobSeconds } from '../../../src/server/clock.js';
import { rebase, stalenessFactor } from '../../../src/server/late.js';
import { sampleClients, sampleSize } from '../../../src/server/sampling.js';
import { toyLayout } from './quadratic.js';

const layout = toyLayout();

function resultOf(values: Float32Array, mask: Uint8Array | null = null): ClientResult {
  const tokens = { train: 300, search: 100, targets: 9 };
  const track = { name: 'main', adapter: { layout, values, mask }, losses: [], meanGradient: null, tokens };
  return { client: 'a', round: 3, tracks: [track], seconds: 1 };
}

describe('the virtual clock', () => {
  const devices = [
    { name: 'desk', tokens_per_second: 1000, upload_mbps: 8, download_mbps: 80, share: 3 },
    { name: 'phone', tokens_per_second: 100, upload_mbps: 1, download_mbps: 8, share: 1 },
  ];

  it('takes download, training and search, and upload: by hand', () => {
    const seconds = jobSeconds(devices[1]!, resultOf(new Float32Array(layout.size)), { down: 1e6, up: 25e4 });
    // 1 MB at 8 Mbit/s, 400 tokens at 100 a second, 0.25 MB at 1 Mbit/s.
    expect(seconds).toBeCloseTo(1 + 4 + 2, 9);
    expect(jobSeconds(undefined, resultOf(new Float32Array(layout.size)), { down: 1e6 })).toBe(0);
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

  it('moves what it changed, and its entries alone, onto the adapter of now: by hand', () => {
    const filled = (value: number) => new Float32Array(layout.size).fill(value);
    const mask = Uint8Array.from({ length: layout.size }, (_, p) => p % 2);
    const sent = { layout, values: filled(1), mask: null };
    const result = resultOf(
      filled(3).map((value, p) => (mask[p] === 1 ? value : 0)),
      mask,
    );
    const moved = rebase({ result, sent, version: 1, arrives: 5 }, { layout, values: filled(10), mask: null }, 0.5, 6);
    expect(moved.round).toBe(6);
    expect([...moved.tracks[0]!.adapter.values]).toEqual([...mask].map((bit) => (bit === 1 ? 11 : 0)));
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
