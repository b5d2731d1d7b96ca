import { setTimeout as sleep } from 'node:timers/promises';
import { ProgressDisplay, type Screen } from '../report/progress.js';
import { readProgress } from '../report/progressFile.js';
import type { StatusNow } from '../report/status.js';
import { isTaken } from '../run/lock.js';

/** Milliseconds between two looks. */
const LOOK = 300;

/** What a run is at, looked at now and then until `signal` fires; undefined while it does not go on. */
export async function* lookAt(dir: string, signal: AbortSignal): AsyncGenerator<StatusNow | undefined> {
  while (!signal.aborted) {
    const isGoingOn = isTaken(dir);
    const now = isGoingOn ? await readProgress(dir) : undefined;
    // One that has only just begun says nothing yet.
    if (now || !isGoingOn) yield now;
    await sleep(LOOK, undefined, { signal }).catch(() => {});
  }
}

/** Shows a run of another process as it goes on, to its end or until `signal` fires; whether there was anything to follow. */
export async function followRun(dir: string, screen: Screen, signal: AbortSignal): Promise<boolean> {
  const display = new ProgressDisplay(screen);
  let wasThere = false;
  try {
    for await (const now of lookAt(dir, signal)) {
      if (now === undefined) break;
      display.show(now);
      wasThere = true;
    }
  } finally {
    display.close();
  }
  return wasThere;
}
