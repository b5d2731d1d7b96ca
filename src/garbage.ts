import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;

function collector(): Collect {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  return collect;
}

/** Bytes of arrays that a thread may come to hold beside what was in use when all was last looked at. */
const MUCH = 48e6;
/** What was in use then; arrays that were found are only counted out a while after that. */
let inUse = 0;

/** Memory outside of V8's heap that this thread's objects hold. Not `arrayBuffers`, which counts on for what went to another thread. */
const outside = (): number => process.memoryUsage().external;

/**
 * Lets go of memory that nothing refers to any more. V8 waits with that until some 64 MB a thread lie about, as it sees the few bytes of
 * an object and not the megabytes of an adapter behind it. `young`: of what was made lately, in a millisecond; of all where much was
 * added since that was last done.
 */
export function collectGarbage(which: 'young' | 'all'): void {
  const gc = collector();
  if (which === 'young') gc({ type: 'minor' });
  inUse = Math.min(inUse, outside());
  if (which === 'young' && outside() < inUse + MUCH) return;
  gc();
  inUse = outside();
}
