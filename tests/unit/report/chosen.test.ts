import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chooseOwners } from '../../../src/report/chosen.js';

const ppl = fc.oneof(fc.double({ min: 1, noNaN: true }), fc.constantFrom(undefined, Number.NaN, 5));

it('all of few, and nothing to say of them', () => {
  fc.assert(
    fc.property(fc.array(ppl, { maxLength: 24 }), (scores) => {
      expect(chooseOwners(scores, (score) => score)).toEqual({ items: scores, note: '' });
    }),
  );
});

it('of many, a third each from both ends and the middle, in the order in which they came', () => {
  fc.assert(
    fc.property(fc.array(ppl, { minLength: 25, maxLength: 200 }), (scores) => {
      const owners = scores.map((score, id) => ({ id, score }));
      const { items, note } = chooseOwners(owners, ({ score }) => score);
      expect(new Set(items.map(({ id }) => id)).size).toBe(24);
      expect(items.map(({ id }) => id)).toEqual(items.map(({ id }) => id).sort((a, b) => a - b));
      const known = scores.filter((score) => score !== undefined && !Number.isNaN(score)) as number[];
      if (known.length < 24) {
        expect(note).toBe(` The first 24 of ${scores.length} owners.`);
        expect(items).toEqual(owners.slice(0, 24));
        return;
      }
      expect(note).toMatch(new RegExp(`^ 24 of ${scores.length} owners: the 8 with the lowest`));
      const sorted = known.sort((a, b) => a - b);
      const chosen = items.map(({ score }) => score!).sort((a, b) => a - b);
      expect(chosen.slice(0, 8)).toEqual(sorted.slice(0, 8));
      expect(chosen.slice(-8)).toEqual(sorted.slice(-8));
      // As many below the middle third as above it, but for one.
      const middle = chosen.slice(8, 16);
      const below = sorted.filter((score) => score < middle[0]!).length;
      const above = sorted.filter((score) => score > middle.at(-1)!).length;
      const odd = known.length - 8;
      expect(below).toBeLessThanOrEqual(Math.floor(odd / 2));
      expect(above).toBeLessThanOrEqual(Math.ceil(odd / 2));
    }),
  );
});

it('and whoever is asked for besides, once and where it stands', () => {
  fc.assert(
    fc.property(fc.array(ppl, { minLength: 25, maxLength: 100 }), fc.nat({ max: 24 }), (scores, asked) => {
      const owners = scores.map((score, id) => ({ id, score }));
      const plain = chooseOwners(owners, ({ score }) => score);
      const more = chooseOwners(
        owners,
        ({ score }) => score,
        ({ id }) => id === asked,
      );
      const wanted = new Set([...plain.items.map(({ id }) => id), asked]);
      expect(more.items).toEqual(owners.filter(({ id }) => wanted.has(id)));
      expect(more.note).toBe(plain.note.replace(/\.$/, ', and those asked for.'));
    }),
  );
});
