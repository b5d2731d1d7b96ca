import { describe, expect, it } from 'vitest';
import { packPart, partBytes } from '../../../src/adapter/part.js';
import { methodOf } from '../../../src/methods/index.js';
import { bytesOf, runToy, type Toy } from './federate.js';
import { type QuadraticClient, toyLayout } from './quadratic.js';

/** Two modules of 3 inputs, 2 outputs and rank 2: 12 entries of A and 8 of B, 80 bytes in all. */
const layout = toyLayout();
const wide = toyLayout(2, 4);
const clients = (...ranks: number[]): QuadraticClient[] =>
  ranks.map((rank, i) => ({ h: 1 + i, c: new Float32Array(wide.size).fill(0.5 - i), rank }));

/** Bytes of all parts sent and received up to the end of each round; what a `silent` method moves inside is no traffic. */
function traffic({ rounds, config }: Toy): { down: number[]; up: number[] } {
  const share = methodOf(config.method).capabilities.silent ? 0 : 1;
  let [down, up] = [0, 0];
  const totals = rounds.map(({ sent, updates }) => {
    down += share * bytesOf(sent.values());
    up += share * bytesOf(updates);
    return { down, up };
  });
  return { down: totals.map((total) => total.down), up: totals.map((total) => total.up) };
}

describe('bytes on the wire, by hand', () => {
  it('are four a value where the mask is 1, a bit an entry of an element mask, a bit a component of a rank mask', () => {
    const mask = Uint8Array.from({ length: wide.size }, (_, p) => Number(p < 7));
    const values = new Float32Array(wide.size);
    const plain = { layout, values: values.subarray(0, layout.size), mask: null };
    const masked = { layout: wide, values, mask };
    expect(partBytes(packPart(plain))).toBe(80);
    expect(partBytes(packPart(plain, { factors: 'A' }))).toBe(48);
    expect(partBytes(packPart(plain, { factors: 'B' }))).toBe(32);
    expect(partBytes(packPart(masked))).toBe(28);
    expect(partBytes(packPart(masked, { mask: 'element' }))).toBe(28 + 40 / 8);
    expect(partBytes(packPart(masked, { mask: 'rank' }))).toBe(28 + 1);
  });

  it.each([
    ['fedavg', {}, [160, 320], [160, 320]],
    ['fedprox', {}, [160, 320], [160, 320]],
    ['ditto', {}, [160, 320], [160, 320]],
    ['fedadam', {}, [160, 320], [160, 320]],
    // The control variate of the server down, the change of the client's own up.
    ['scaffold', {}, [320, 640], [320, 640]],
    ['ffa-lora', {}, [64, 128], [64, 128]],
    ['fedsa-lora', {}, [96, 192], [96, 192]],
    // The fresh A down and B up, then the merged B down and A up.
    ['rolora', {}, [96, 160], [64, 160]],
    ['local', {}, [0, 0], [0, 0]],
    ['centralized', {}, [0, 0], [0, 0]],
    // Factors of 80 bytes; the branch of rank min(d, k) = 2, 80 bytes too, from the second round on.
    ['flora', {}, [0, 160], [160, 320]],
    ['fedex-lora', {}, [160, 480], [160, 320]],
    // Dense at first (40 entries), then 20 values; up the same with 40 bits of mask, or 8 where it is by components.
    ['perfit', { search_round: 1, prune: 'element' }, [320, 480], [170, 340]],
    ['perfit', { search_round: 1, prune: 'rank' }, [320, 480], [162, 324]],
    // Dense again where a client searches again.
    ['perfit', { search_round: 1, search_every: 1 }, [320, 640], [170, 340]],
    // Both ways dense before the search, which is in round 2 of two.
    ['perfit', {}, [320, 640], [320, 490]],
    ['fedavg', { mutation: 'fedqp', mutation_start: 2 }, [160, 320], [160, 320]],
    // A personal adapter is pulled to the merged one, which a mutant hides.
    ['ditto', { mutation: 'fedmut', mutation_start: 2 }, [160, 480], [160, 320]],
  ])('%s %o over two rounds', (method, settings, down, up) => {
    expect(traffic(runToy({ method, num_rounds: 2, ...settings }, clients(2, 2)))).toEqual({ down, up });
  });

  it.each(['hetlora', 'flexlora'])('%s sends each client its own rank', (method) => {
    expect(traffic(runToy({ method, num_rounds: 1 }, clients(1, 3)))).toEqual({ down: [40 + 120], up: [40 + 120] });
  });
});
