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

/** Bytes of arrays in a thread after which a look at what was made lately is not enough. */
const MUCH = 48e6;

/**
 * Lets go of memory that nothing refers to any more. V8 waits with that until some 64 MB a thread lie about, as it sees the few bytes of
 * an object and not the megabytes of an adapter behind it. `young`: of what was made lately, in a millisecond; of all where much is
 * left then.
 */
export function collectGarbage(which: 'young' | 'all'): void {
  const gc = collector();
  if (which === 'young') gc({ type: 'minor' });
  if (which === 'all' || process.memoryUsage().arrayBuffers > MUCH) gc();
}
