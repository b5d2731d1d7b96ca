import { DataError } from '../errors.js';
import { isShowable, shown } from '../text.js';

/** Longest id of an owner, in characters: longer ones fit no table and no folder. */
export const MAX_OWNER_ID = 100;

/** Names that mean all owners together, or their merged adapter. */
const RESERVED: readonly string[] = ['*', 'global'];

/** Equal for ids that a person takes for the same: case, spaces and the Unicode form of letters do not count. */
const folded = (id: string): string => id.normalize('NFKC').toLowerCase().normalize('NFKC').replace(/\s+/g, ' ').trim();

/**
 * Why an id cannot name an owner, or undefined. Any human name can (`Praxis Dr. Müller`, `A/S Nord`): what becomes of
 * it as the name of a folder is ownerFolders' affair.
 */
export function checkOwnerId(id: string): string | undefined {
  if (id.trim() === '') return 'it is empty';
  if (RESERVED.includes(folded(id))) return 'it is what fedtune calls all owners together';
  if (/^\.+$/.test(id)) return 'it is made of dots';
  if (!isShowable(id)) return 'it holds control characters, which no table can show';
  const length = [...id].length;
  return length > MAX_OWNER_ID ? `it has ${length} characters, over ${MAX_OWNER_ID}` : undefined;
}

/** Ids that differ in case, spaces or Unicode form only, in groups. */
function lookAlikes(ids: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const id of ids) groups.set(folded(id), [...(groups.get(folded(id)) ?? []), id]);
  return [...groups.values()].filter((group) => group.length > 1);
}

/**
 * Checks the names of all owners of a run. `what` is where they come from, for the message (`owner`, `category`).
 *
 * Throws DataError BAD_OWNER_ID, which names the first five ids that cannot be used and says why.
 */
export function checkOwnerIds(ids: readonly string[], what = 'owner'): void {
  const wrong = ids.flatMap((id) => {
    const reason = checkOwnerId(id);
    return reason === undefined ? [] : [`"${shown(id)}" (${reason})`];
  });
  for (const group of lookAlikes(ids)) {
    wrong.push(
      `${group.map((id) => `"${shown(id)}"`).join(' and ')} (they differ in case, spaces or Unicode form only)`,
    );
  }
  if (wrong.length === 0) return;
  const more = wrong.length > 5 ? `, and ${wrong.length - 5} more` : '';
  throw new DataError(
    'BAD_OWNER_ID',
    `Expected every ${what} in the data to have a name of its own but found ${wrong.slice(0, 5).join(', ')}${more}. ` +
      `Rename ${wrong.length === 1 && lookAlikes(ids).length === 0 ? 'it' : 'them'} in the data; owners that are one ` +
      'and the same need one spelling.',
  );
}
