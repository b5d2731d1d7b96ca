import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rollingWindows, slidingWindows, type Window } from '../../../src/eval/windows.js';

/** How often each token is a target. */
function counts(count: number, windows: readonly Window[]): number[] {
  const times = new Array<number>(count).fill(0);
  for (const { end, firstTarget } of windows) for (let t = firstTarget; t < end; t++) times[t]!++;
  return times;
}

const sizes = fc.record({ count: fc.integer({ min: 2, max: 400 }), size: fc.integer({ min: 2, max: 90 }) });

describe('sliding windows', () => {
  it('are those of the recipe in the documentation of transformers', () => {
    // Its loop, as written there.
    const recipe = (seqLen: number, maxLength: number, stride: number): Window[] => {
      const windows: Window[] = [];
      let previous = 0;
      for (let begin = 0; begin < seqLen; begin += stride) {
        const end = Math.min(begin + maxLength, seqLen);
        // Labels before it are -100, and the first token of a window has no loss.
        windows.push({ start: begin, end, firstTarget: Math.max(end - (end - previous), begin + 1) });
        previous = end;
        if (end === seqLen) break;
      }
      return windows;
    };
    fc.assert(
      fc.property(sizes, fc.nat(), ({ count, size }, n) => {
        const stride = 1 + (n % (size - 1));
        expect(slidingWindows(count, size, stride)).toEqual(recipe(count, size, stride));
      }),
    );
  });

  it('score every token but the first once where the stride is shorter than the window', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ count, size }, n) => {
        const windows = slidingWindows(count, size, 1 + (n % (size - 1)));
        expect(counts(count, windows)).toEqual([0, ...new Array(count - 1).fill(1)]);
        for (const { start, end, firstTarget } of windows) {
          expect(end - start).toBeLessThanOrEqual(size);
          expect(firstTarget).toBeGreaterThan(start);
        }
      }),
    );
  });
});

describe('rolling windows', () => {
  it('score every token behind the prefix once, with a token of context, and with all that fits in the last', () => {
    fc.assert(
      fc.property(sizes, ({ count, size }) => {
        const windows = rollingWindows(count, size);
        expect(counts(count, windows)).toEqual([0, ...new Array(count - 1).fill(1)]);
        for (const [i, { start, end, firstTarget }] of windows.entries()) {
          expect(end - start).toBeLessThanOrEqual(size);
          if (i < windows.length - 1) expect([firstTarget - start, end - start]).toEqual([1, size]);
          else expect(end - start).toBe(Math.min(size, count));
        }
      }),
    );
  });

  it('by an example of lm-evaluation-harness: 10 tokens, 4 at a time', () => {
    // Token 0 is the prefix; inputs of the harness are all but the last of a window.
    expect(rollingWindows(11, 5)).toEqual([
      { start: 0, end: 5, firstTarget: 1 },
      { start: 4, end: 9, firstTarget: 5 },
      { start: 6, end: 11, firstTarget: 9 },
    ]);
  });
});
