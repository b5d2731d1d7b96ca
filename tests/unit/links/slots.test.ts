import { describe, expect, it } from 'vitest';
import { Slots } from '../../../src/links/slots.js';
import fc from '../../support/properties.js';

describe('slots', () => {
  it('let so many run at once, in the order in which they came, whether or not they fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 20 }),
        async (count, work) => {
          const slots = new Slots(count);
          const begun: number[] = [];
          let running = 0;
          let most = 0;
          const results = await Promise.allSettled(
            work.map((ticks, i) =>
              slots.run(async () => {
                begun.push(i);
                most = Math.max(most, ++running);
                for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
                running--;
                if (ticks === 3) throw new Error('failed');
                return i;
              }),
            ),
          );
          expect(begun).toEqual(work.map((_, i) => i));
          expect(most).toBe(Math.min(count, work.length));
          expect(results.map(({ status }) => status)).toEqual(
            work.map((ticks) => (ticks === 3 ? 'rejected' : 'fulfilled')),
          );
        },
      ),
    );
  });
});
