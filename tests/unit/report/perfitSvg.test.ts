import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdapterLayout, makeLayout } from '../../../src/adapter/layout.js';
import { jaccard } from '../../../src/adapter/masks.js';
import { randomStream } from '../../../src/random.js';
import { perfitSvg } from '../../../src/report/perfitSvg.js';
import { compareMasks, type MaskedClient } from '../../../src/report/perfitSvgData.js';
import { checkWellFormed } from '../../support/markup.js';

/** Two layers, q of 2 x (3 + 2) = 10 entries in both and down of 2 x (2 + 3) = 10 in the second only. */
const layout: AdapterLayout = makeLayout(
  [
    { module: 'blk.0.attn_q', layer: 0, target: 'attn_q' as const },
    { module: 'blk.1.attn_q', layer: 1, target: 'attn_q' as const },
    { module: 'blk.1.ffn_down', layer: 1, target: 'ffn_down' as const },
  ].map((module) => ({ ...module, inDim: 3, outDim: 2, rank: 2, scale: 2 })),
);

function client(id: string, kept: (p: number) => boolean): MaskedClient {
  const mask = Uint8Array.from({ length: layout.size }, (_, p) => Number(kept(p)));
  return { id, adapter: { layout, mask, values: new Float32Array(layout.size) } };
}

const first = client('first', (p) => p < 10 || p === 15);
const second = client('second', (p) => p >= 5 && p < 10);
const dense: MaskedClient = { id: 'dense', adapter: { ...first.adapter, mask: null } };

describe('the comparison of PerFIT masks', () => {
  it('counts what is kept of each module and of each rank component', () => {
    const [q, other, down] = compareMasks([first, second]).modules;
    expect([q!.kept, other!.kept, down!.kept]).toEqual([
      [1, 0.5],
      [0.1, 0],
      [0, 0],
    ]);
    // A has its rows at 0..2 and 3..5, B its columns at 6, 8 and 7, 9: the second client has the last entry of A, and B.
    expect(q!.components).toEqual([
      [1, 1],
      [2 / 5, 3 / 5],
    ]);
    // Entry 15 is the last of the second row of A.
    expect(other!.components[0]).toEqual([0, 1 / 5]);
    expect([q!.overlap, other!.overlap, down!.overlap]).toEqual([0.5, 0, 1]);
  });

  it('says what owners keep alone, with some and with all others', () => {
    expect(compareMasks([first, second, dense]).owners).toEqual([
      { id: 'first', alone: 0, some: 6 / 30, all: 5 / 30 },
      { id: 'second', alone: 0, some: 0, all: 5 / 30 },
      { id: 'dense', alone: 19 / 30, some: 6 / 30, all: 5 / 30 },
    ]);
  });

  it('has the overlap of Jaccard for every two owners', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), { minLength: 2, maxLength: 5 }),
        (masks) => {
          const clients = masks.map((mask, i) => client(String(i), (p) => mask[p]!));
          const { overlaps } = compareMasks(clients);
          clients.forEach((a, i) => {
            clients.forEach((b, j) => {
              expect(overlaps[i]![j]).toBeCloseTo(i === j ? 1 : jaccard(a.adapter.mask, b.adapter.mask));
            });
          });
        },
      ),
    );
  });

  it('knows what masks have in common by chance', () => {
    const wide = makeLayout([
      { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 600, outDim: 400, rank: 32, scale: 1 },
    ]);
    const random = randomStream(0, 'masks');
    const clients = ['a', 'b', 'c'].map((id): MaskedClient => {
      const mask = Uint8Array.from({ length: wide.size }, () => Number(random() < 0.5));
      return { id, adapter: { layout: wide, mask, values: new Float32Array(0) } };
    });
    const { overlap, byChance } = compareMasks(clients);
    // p / (2 - p) for p = 1/2.
    expect(byChance).toBeCloseTo(1 / 3, 2);
    expect(overlap).toBeCloseTo(byChance, 2);
  });
});

describe('the picture of PerFIT masks', () => {
  it('shows every pair of owners and every module, with numbers', () => {
    const svg = perfitSvg([first, second]);
    checkWellFormed(svg);
    expect(svg).toContain('<title>first and second: 45.5 %</title>');
    expect(svg).toContain('<title>layer 0, attn_q: 50.0 % in common</title>');
    expect(svg).not.toContain('layer 0, ffn_down');
    expect(svg).toContain('<title>first, layer 1, attn_q: 10.0 % kept</title>');
    expect(svg).toContain('<title>first: 20.0 % of all entries kept by this owner alone</title>');
    expect(svg).toContain('<desc>2 owners keep 16.7 % to 36.7 % of the adapter. Two of them share 45.5 %');
  });

  it('says once what all keep alike, in the place of a picture an owner', () => {
    const half = client('half', (p) => p % 2 === 0);
    const other = client('other', (p) => p % 2 === 1);
    const svg = perfitSvg([half, other]);
    expect(svg).toContain('Every owner keeps 50.0 % of every module');
    expect(svg).not.toContain('% kept</title>');
    expect(svg).toContain('<title>half and other: 0.0 %</title>');
  });

  it('paints more in common darker', () => {
    const svg = perfitSvg([first, second, client('third', (p) => p < 10)]);
    const fillOf = (title: string) => svg.split(title)[1]!.match(/fill="rgb\((\d+),/)![1];
    expect(Number(fillOf('first and third'))).toBeLessThan(Number(fillOf('first and second')));
  });

  it('is of one owner, and of some of many', () => {
    checkWellFormed(perfitSvg([first]));
    const many = perfitSvg(Array.from({ length: 1000 }, (_, i) => client(`o${i}`, (p) => p % 3 === i % 3)));
    checkWellFormed(many);
    expect(many.match(/The first 24 of 1000 owners\./g)).toHaveLength(2);
    const scored = Array.from({ length: 60 }, (_, i) => ({ ...client(`o${i}`, (p) => p % 3 === i % 3), ppl: 100 - i }));
    const drawn = perfitSvg(scored);
    expect(drawn).toContain(
      '24 of 60 owners: the 8 with the lowest perplexity, 8 in the middle and the 8 with the highest.',
    );
    const ids = new Set([...drawn.matchAll(/<title>o(\d+): /g)].map(([, id]) => Number(id)));
    const from = (first: number) => Array.from({ length: 8 }, (_, i) => first + i);
    expect([...ids]).toEqual([...from(0), ...from(26), ...from(52)]);
    expect(many.length).toBeLessThan(300_000);
  });

  it('takes any owner id', () => {
    const svg = perfitSvg([client('a <b> & "c" \u0007', () => true), second]);
    checkWellFormed(svg);
    expect(svg).toContain('a &#60;b&#62; &#38; &#34;c&#34;');
  });

  it('is the same for the same masks', () => {
    expect(perfitSvg([first, second])).toBe(perfitSvg([first, second]));
  });
});
