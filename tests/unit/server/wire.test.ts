import { describe, expect, it } from 'vitest';
import { wireBytes } from '../../../src/server/wire.js';
import { type QuadraticClient, runToy, toyLayout } from './quadratic.js';

/** Two modules of 3 inputs, 2 outputs and rank 2: 12 entries of A and 8 of B, 80 bytes in all. */
const layout = toyLayout();
const wide = toyLayout(2, 4);
const clients = (...ranks: number[]): QuadraticClient[] =>
  ranks.map((rank, i) => ({ h: 1 + i, c: new Float32Array(wide.size).fill(0.5 - i), rank }));

describe('bytes on the wire, by hand', () => {
  it('are four a value where the mask is 1, a bit an entry of an element mask, a bit a component of a rank mask', () => {
    const mask = Uint8Array.from({ length: wide.size }, (_, p) => Number(p < 7));
    expect(wireBytes({ layout })).toBe(80);
    expect(wireBytes({ layout, factors: 'A' })).toBe(48);
    expect(wireBytes({ layout, factors: 'B' })).toBe(32);
    expect(wireBytes({ layout: wide, mask })).toBe(28);
    expect(wireBytes({ layout: wide, mask, sendMask: 'element' })).toBe(28 + 40 / 8);
    expect(wireBytes({ layout: wide, mask, sendMask: 'rank' })).toBe(28 + 1);
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
    ['perfit', { prune: 'element' }, [320, 480], [170, 340]],
    ['perfit', { prune: 'rank' }, [320, 480], [162, 324]],
    // Dense again where a client searches again.
    ['perfit', { search_every: 1 }, [320, 640], [170, 340]],
    ['fedavg', { mutation: 'fedqp' }, [160, 320], [160, 320]],
  ])('%s %o over two rounds', async (method, settings, down, up) => {
    const { states } = await runToy({ method, num_rounds: 2, ...settings }, clients(2, 2));
    expect(states.map(({ totals }) => totals.bytesDown)).toEqual([0, ...down]);
    expect(states.map(({ totals }) => totals.bytesUp)).toEqual([0, ...up]);
  });

  it.each(['hetlora', 'flexlora'])('%s sends each client its own rank', async (method) => {
    const { states } = await runToy({ method, num_rounds: 1 }, clients(1, 3));
    expect(states.at(-1)!.totals).toMatchObject({ bytesDown: 40 + 120, bytesUp: 40 + 120 });
  });
});
