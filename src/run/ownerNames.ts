import { nearest } from '../config/nearest.js';
import { shown } from '../text.js';

const SHOWN_OWNERS = 20;

/** Names of owners for an error: the first ones, and how many more there are. */
export function namesOf(ids: readonly string[]): string {
  const names = ids.slice(0, SHOWN_OWNERS).map((id) => shown(id));
  return [...names, ...(ids.length > SHOWN_OWNERS ? [`and ${ids.length - SHOWN_OWNERS} more`] : [])].join(', ');
}

/** The end of an error about a name that nobody has: ` Did you mean "north"?`, or nothing where none is near. */
export function didYouMean(written: string, names: readonly string[]): string {
  const near = nearest(written, names);
  return near === undefined ? '' : ` Did you mean "${shown(near)}"?`;
}
