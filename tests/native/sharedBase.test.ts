import { readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../src/native/binding.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { makeTinyModel, tinyBatch } from '../support/tinyModel.js';

const modules = [{ module: 'blk.0.attn_q', rank: 2, scale: 1 }];

function score(base: Base): number {
  using trainer = new Trainer({ base, modules });
  return trainer.evaluate(tinyBatch()).nllSum;
}

/** The score of a description while `others` are open, and alone in a file of its own. */
function together(
  description: ModelDescription,
  others: readonly ModelDescription[],
): { beside: number; alone: number } {
  const open = others.map((other) => new Base({ description: other, precision: 'f32' }));
  using base = new Base({ description, precision: 'f32' });
  const beside = score(base);
  for (const other of open) other.dispose();
  const copy = `${description.files[0]!}.copy`;
  writeFileSync(copy, readFileSync(description.files[0]!));
  using fresh = new Base({ description: { ...description, files: [copy] }, precision: 'f32' });
  return { beside, alone: score(fresh) };
}

describe('two bases over one file', () => {
  const description = makeTinyModel();
  const rope = description.ropes[0]!;
  const swapped = description.tensors.map((tensor) => {
    const other = { 'blk.0.attn_k.weight': 'blk.0.attn_v.weight', 'blk.0.attn_v.weight': 'blk.0.attn_k.weight' }[
      tensor.name
    ];
    return other ? { ...tensor, name: other } : tensor;
  });

  it.each<[string, Partial<ModelDescription>]>([
    ['another rope theta', { ropes: [{ ...rope, theta: 20 }] }],
    ['rope factors', { ropes: [{ ...rope, factors: [1, 2, 4] }] }],
    ['another pairing', { ropes: [{ ...rope, pairing: rope.pairing === 'half' ? 'interleaved' : 'half' }] }],
    ['another rope dimension', { ropes: [{ ...rope, dim: 4 }] }],
    ['a magnitude', { ropes: [{ ...rope, magnitude: 1.5 }] }],
    ['another scale of the scores', { attentionScale: 1 }],
    ['a layer without positions', { layers: [{ rope: 0 }, { rope: null }] }],
    ['another epsilon', { normEps: 0.5 }],
    ['another map of tensors', { tensors: swapped }],
  ])('do not share weights with %s', (_, change) => {
    const changed = { ...description, ...change };
    const { beside, alone } = together(changed, [description]);
    expect(beside).toBe(alone);
    using base = new Base({ description, precision: 'f32' });
    expect(beside).not.toBe(score(base));
  });

  it('do not share a context length', () => {
    using long = new Base({ description, precision: 'f32' });
    using short = new Base({ description: { ...description, contextLength: 8 }, precision: 'f32' });
    expect(() => score(short)).toThrow(expect.objectContaining({ code: 'CONTEXT_LENGTH' }));
    expect(score(long)).toBeGreaterThan(0);
  });
});

describe('a file that changes while its base is open', () => {
  it.each([
    ['written in place', (path: string, bytes: Buffer) => writeFileSync(path, bytes)],
    [
      'replaced, with the old times',
      (path: string, bytes: Buffer) => {
        writeFileSync(`${path}.new`, bytes);
        renameSync(`${path}.new`, path);
      },
    ],
  ])('is read again when it is %s', async (_, write) => {
    const description = makeTinyModel();
    const path = description.files[0]!;
    const now = new Date();
    utimesSync(path, now, now);
    using first = new Base({ description, precision: 'f32' });
    const before = score(first);
    await wait(30); // within the second, but later than the clock of file times ticks
    const values = new Float32Array(readFileSync(path).buffer.slice(0));
    write(path, Buffer.from(values.map((value) => value * 0.5).buffer));
    utimesSync(path, now, now);
    using second = new Base({ description, precision: 'f32' });
    expect(score(second)).not.toBe(before);
    expect(score(first)).toBe(before);
  });
});
