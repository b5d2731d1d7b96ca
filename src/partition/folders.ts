import { sha256 } from '../sha256.js';

/** Names that Windows keeps for devices, with or without an extension. */
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/i;
const MAX_LENGTH = 64;

const shortHash = (id: string): string => sha256(id).slice(0, 8);

function safeName(id: string): string {
  const name = id
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}_-]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return [...name].slice(0, MAX_LENGTH).join('');
}

/**
 * A folder name for each owner id: no separators, dots, reserved or over-long names, and no two that are equal to a file
 * system which ignores case. An id that cannot be kept as it is gets a hash of itself behind its name; `taken` are
 * names that no owner may have.
 */
export function ownerFolders(ids: readonly string[], taken: readonly string[] = ['global']): Map<string, string> {
  const used = new Set(taken.map((name) => name.toLowerCase()));
  const folders = new Map<string, string>();
  const claim = (id: string, name: string): boolean => {
    // Half of a file system's 255 bytes a name, so that a hash still fits.
    if (name === '' || used.has(name.toLowerCase()) || Buffer.byteLength(name) > 200) return false;
    used.add(name.toLowerCase());
    folders.set(id, name);
    return true;
  };
  // Ids that are folder names already keep them, whatever comes before or after them.
  for (const id of ids) if (safeName(id) === id && !RESERVED.test(id)) claim(id, id);
  for (const id of ids) {
    if (folders.has(id)) continue;
    const stem = safeName(id).slice(0, 40) || 'owner';
    for (let attempt = 0; ; attempt++) {
      if (claim(id, `${stem}-${shortHash(attempt === 0 ? id : `${id}#${attempt}`)}`)) break;
    }
  }
  return folders;
}
