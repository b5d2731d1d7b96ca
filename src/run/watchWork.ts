import type { RunProgress } from '../contracts/progress.js';
import { stepsOf } from '../methods/schedule.js';
import type { OpenedFederation } from './open.js';

/** Milliseconds between two looks. */
const LOOK = 200;

/** Tells of who trains until it is ended; nothing where the link cannot know. */
export function watchWork(
  { link, federation }: Pick<OpenedFederation, 'link' | 'federation'>,
  show: (progress: RunProgress) => void,
): { end(): void } {
  if (!link.atWork) return { end: () => {} };
  const { clients, config } = federation;
  const sizes = new Map(clients.map(({ id, numTrain }) => [id, numTrain]));
  const all = clients.reduce((sum, { numTrain }) => sum + numTrain, 0);
  const timer = setInterval(() => {
    const owners = link.atWork!().map(({ owner, steps }) => ({
      client: owner,
      steps,
      // Who is no owner has the data of all.
      of: stepsOf(sizes.get(owner) ?? all, config, 1),
    }));
    if (owners.length > 0) show({ kind: 'working', owners });
  }, LOOK);
  timer.unref();
  return { end: () => clearInterval(timer) };
}
