import { describe, expect, it } from 'vitest';
import { type AdapterLayout, makeLayout } from '../../../src/adapter/layout.js';
import { type MaskedClient, perfitSvg } from '../../../src/report/perfitSvg.js';
import { keptShares, maskOverlaps } from '../../../src/report/perfitSvgData.js';
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

describe('the picture of PerFIT masks', () => {
  it('counts the kept share of each module, and leaves out modules that are not there', () => {
    const { total, shares } = keptShares(first);
    expect(total).toBeCloseTo(11 / 30);
    expect(shares).toEqual([
      [1, undefined],
      [0.1, 0],
    ]);
    expect(keptShares({ id: 'dense', adapter: { ...first.adapter, mask: null } }).total).toBe(1);
  });

  it('measures overlap as shared over joint entries', () => {
    expect(maskOverlaps([first, second])).toEqual([
      [1, 5 / 11],
      [5 / 11, 1],
    ]);
  });

  it('shows every module and every pair of clients, with numbers', () => {
    const svg = perfitSvg([first, second]);
    checkWellFormed(svg);
    expect(svg).toContain('<title>first, layer 0, attn_q: 100.0 % kept</title>');
    expect(svg).toContain('<title>first, layer 1, attn_q: 10.0 % kept</title>');
    expect(svg).toContain('<title>second, layer 1, ffn_down: 0.0 % kept</title>');
    expect(svg).not.toContain('layer 0, ffn_down');
    expect(svg).toContain('<title>first and second: 45.5 %</title>');
    expect(svg.match(/% kept<\/title>/g)).toHaveLength(6);
  });

  it('paints more kept darker', () => {
    const svg = perfitSvg([first]);
    const fillOf = (title: string) => svg.split(title)[1]!.match(/fill="rgb\((\d+),/)![1];
    expect(Number(fillOf('first, layer 0, attn_q'))).toBeLessThan(Number(fillOf('first, layer 1, attn_q')));
  });

  it('takes any owner id', () => {
    const svg = perfitSvg([client('a <b> & "c" \u0007', () => true)]);
    checkWellFormed(svg);
    expect(svg).toContain('a &#60;b&#62; &#38; &#34;c&#34;');
  });

  it('is the same for the same masks', () => {
    expect(perfitSvg([first, second])).toBe(perfitSvg([first, second]));
  });
});
