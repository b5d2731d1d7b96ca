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

/**
 * Lets go of memory that nothing refers to any more. V8 waits with that until some 64 MB a thread lie about, as it sees the few bytes of
 * an object and not the megabytes of an adapter behind it. `young`: only of what was made lately, in a millisecond.
 */
export function collectGarbage(young: 'young' | 'all'): void {
  collector()(young === 'young' ? { type: 'minor' } : undefined);
}
