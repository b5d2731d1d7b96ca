import type { RunProgress } from '../contracts/progress.js';
import { stepsOf } from '../methods/schedule.js';
import type { OpenedFederation } from './open.js';

/** Milliseconds between two looks. */
const LOOK = 200;

/** Tells of who trains until it is ended; nothing where the link cannot know. */
export function watchWork(
  opened: Pick<OpenedFederation, 'link' | 'federation'>,
  show: (progress: RunProgress) => void,
): { end(): void } {
  const { link } = opened;
  if (!link.atWork) return { end: () => {} };
  const look = (): void => {
    const working = link.atWork!();
    if (working.length === 0) return;
    // With those who have joined since.
    const { clients, config } = opened.federation;
    const sizes = new Map(clients.map(({ id, numTrain }) => [id, numTrain]));
    const all = clients.reduce((sum, { numTrain }) => sum + numTrain, 0);
    const owners = working.map(({ owner, steps }) => ({
      client: owner,
      steps,
      // Who is no owner has the data of all.
      of: stepsOf(sizes.get(owner) ?? all, config, 1),
    }));
    show({ kind: 'working', owners });
  };
  const timer = setInterval(look, LOOK);
  timer.unref();
  return { end: () => clearInterval(timer) };
}
