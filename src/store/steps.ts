import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work that can stand still between two of its steps, each of about a millisecond. */
export type Steps<T> = Generator<void, T>;

/** Milliseconds of work after which others get their turn: signals, displays, messages. */
const TURN_MS = 20;

/** Does all steps at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Does all steps, and lets others have their turn in between. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  let begun = performance.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - begun < TURN_MS) continue;
    await nextTurn();
    begun = performance.now();
  }
}
