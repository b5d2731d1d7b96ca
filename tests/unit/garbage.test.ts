import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../src/garbage.js';

const held = (): number => process.memoryUsage().arrayBuffers;

/** Arrays of 40 MB in all that nothing refers to once this is over. */
function litter(): number {
  const arrays = Array.from({ length: 4 }, () => new Float32Array(2_500_000).fill(1));
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

describe('collecting garbage', () => {
  it.each(['young', 'all'] as const)('frees large arrays at once, %s', (which) => {
    // V8 may collect by itself at the wrong moment and take the arrays for old ones: then once more.
    const freed = Array.from({ length: 5 }, () => {
      collectGarbage('all');
      const before = held();
      const bytes = litter();
      // Less than what V8 waits for.
      expect(held() - before).toBeGreaterThan(0.9 * bytes);
      collectGarbage(which);
      return (held() - before) / bytes;
    });
    expect(Math.min(...freed)).toBeLessThan(0.5);
  });

  it('keeps what lies about below a bound, however much comes and goes', async () => {
    collectGarbage('all');
    const before = process.memoryUsage().external;
    let most = 0;
    for (let i = 0; i < 60; i++) {
      const array = new Float32Array(2_500_000).fill(i);
      // Looked at while it is still in use, as an update is that was merged just now.
      collectGarbage('young');
      collectGarbage('young');
      most = Math.max(most, process.memoryUsage().external + 0 * array[0]!);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most - before).toBeLessThan(150e6);
  });
});
