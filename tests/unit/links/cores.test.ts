import { describe, expect, it } from 'vitest';
import { divideCores } from '../../../src/links/cores.js';
import fc from '../../support/properties.js';

describe('cores', () => {
  it('by hand: workers first, never more than owners at work; what is asked for is taken', () => {
    const divide = (more: object) =>
      divideCores({ workers: null, threads: null, clientsPerRound: 8, cores: 16, ...more });
    expect(divide({})).toEqual({ workers: 8, threads: 2 });
    expect(divide({ clientsPerRound: 3 })).toEqual({ workers: 3, threads: 5 });
    expect(divide({ threads: 4 })).toEqual({ workers: 4, threads: 4 });
    expect(divide({ workers: 32 })).toEqual({ workers: 32, threads: 1 });
  });

  it('never has more threads than cores, unless asked for', () => {
    const size = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(size, size, (clientsPerRound, cores) => {
        const { workers, threads } = divideCores({ workers: null, threads: null, clientsPerRound, cores });
        expect(workers * threads).toBeLessThanOrEqual(cores);
        expect(Math.min(workers, threads)).toBeGreaterThanOrEqual(1);
        expect(workers).toBeLessThanOrEqual(clientsPerRound);
      }),
    );
  });
});
