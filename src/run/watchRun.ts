import type { RunProgress } from '../contracts/progress.js';
import { stepsOf } from '../methods/schedule.js';
import type { ReportObserver } from '../report/observer.js';
import { ProgressFile } from '../report/progressFile.js';
import type { RunStatus } from '../report/status.js';
import type { OpenedFederation } from './open.js';

/** Milliseconds between two looks at who trains, and between two writings of progress.json. */
const LOOK = 200;
const WRITE = 500;

interface Watched {
  readonly opened: Pick<OpenedFederation, 'folder' | 'link' | 'federation'>;
  readonly status: RunStatus;
  readonly observer: Pick<ReportObserver, 'attempt'>;
  readonly show: (progress: RunProgress) => void;
}

/** Tells of who trains, where the link can know, and keeps progress.json, until it is ended. */
export function watchRun({ opened, status, observer, show }: Watched): { end(): Promise<void> } {
  const { folder, link } = opened;
  const file = new ProgressFile(folder.dir, status);
  const attempt = (work: () => void) =>
    observer.attempt('Writing progress.json', () => {
      folder.requireOwnership();
      work();
    });
  const look = (): void => {
    const working = link.atWork?.() ?? [];
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
  const timers = [setInterval(look, LOOK), setInterval(() => void attempt(() => file.write()), WRITE)];
  for (const timer of timers) timer.unref();
  return {
    end: () => {
      for (const timer of timers) clearInterval(timer);
      return attempt(() => file.remove());
    },
  };
}
