/** A part of a token list that is scored in one go: tokens `start` to `end - 1`, targets from `firstTarget` on. */
export interface Window {
  readonly start: number;
  readonly end: number;
  readonly firstTarget: number;
}

/**
 * Windows of `size` tokens, each `stride` behind the last; a token is a target in the first window that holds it. The recipe of
 * transformers' documentation ("Perplexity of fixed-length models"), but that each token counts once and no more: there, a window
 * counts one token less than it scores. The first token of all has nothing before it and is no target.
 */
export function slidingWindows(count: number, size: number, stride: number): Window[] {
  const windows: Window[] = [];
  let done = 1;
  for (let start = 0; done < count; start += stride) {
    const end = Math.min(start + size, count);
    windows.push({ start, end, firstTarget: Math.max(done, start + 1) });
    done = end;
  }
  return windows;
}

/**
 * Windows of lm-evaluation-harness (`loglikelihood_rolling`): disjoint, each token a target once, with one token of context, and
 * all the context that fits in the last. `count` has the prefix token, with which the list begins; a window has `size` tokens with
 * the last target, so the harness's `max_length` is `size - 1`.
 */
export function rollingWindows(count: number, size: number): Window[] {
  const windows: Window[] = [];
  for (let done = 1; done < count; ) {
    const end = Math.min(done + size - 1, count);
    const first = end - done < size - 1 ? Math.max(0, end - size) : done - 1;
    windows.push({ start: first, end, firstTarget: done });
    done = end;
  }
  return windows;
}
