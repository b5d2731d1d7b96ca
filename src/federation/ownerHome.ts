import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ConfigError, FedtuneError, InterruptedError } from '../errors.js';
import { makeFolder } from '../files.js';
import { openConnection } from './connection.js';
import { nameSchema, newUserSeed, publicKey } from './folder.js';
import { checkExpiry, type Invite } from './invite.js';
import { publicKeyOf } from './keys.js';
import { askToJoin } from './registrar.js';
import { readJson, writeSecret } from './secretFiles.js';

const keysSchema = z.strictObject({
  version: z.literal(1),
  federation: nameSchema,
  owner: nameSchema,
  url: z.string(),
  ca: z.string(),
  account: publicKey,
  coordinator: publicKey,
  /** Public key of the invite by which it came. */
  invite: publicKey,
  /** Seeds of the keys that were made here: with the one it is let in, with the other it signs. */
  user: z.string(),
  signing: z.string(),
  /** Null until the coordinator has taken the owner in. */
  jwt: z.string().nullable(),
});
/** What an owner keeps of itself and of its federation, in `keys.json` of its folder, which nobody else may read. */
export type OwnerKeys = z.output<typeof keysSchema>;

const ASK_MS = 5000;
const PAUSE_MS = 2000;

const keysFile = (home: string): string => join(home, 'keys.json');

/** The keys of an owner that has a folder already. Throws FedtuneError DAMAGED. */
export const readOwnerKeys = (home: string): OwnerKeys | undefined =>
  readJson(keysFile(home), (value) => keysSchema.parse(value));

async function save(home: string, keys: OwnerKeys): Promise<OwnerKeys> {
  await writeSecret(keysFile(home), `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

/** Keys for an invite: those made for it before, or fresh ones. Throws ConfigError where the folder is another owner's. */
async function keysFor(home: string, invite: Invite): Promise<OwnerKeys> {
  const known = readOwnerKeys(home);
  if (known && (known.federation !== invite.federation || known.owner !== invite.owner)) {
    throw new ConfigError(
      `Expected the folder of ${invite.owner} in ${invite.federation} but ${home} is that of ${known.owner} in ${known.federation}. ` +
        'Choose another --home.',
    );
  }
  const inviteKey = publicKeyOf(invite.seed);
  if (known?.invite === inviteKey) return known;
  checkExpiry(invite);
  const { federation, owner, url, ca, account, coordinator } = invite;
  // Written before anybody hears of them: whoever is cut short here asks again with the same.
  return save(home, {
    ...{ version: 1, federation, owner, url, ca, account, coordinator, invite: inviteKey },
    ...{ user: newUserSeed(), signing: newUserSeed(), jwt: null },
  });
}

/**
 * Takes up an invite: makes keys in the owner's folder, asks the coordinator to know them, and waits for it as long as it takes. An owner that
 * is in already stays as it is. Throws FedtuneError INVITE_USED, REVOKED, REFUSED, ConfigError INVITE_EXPIRED, InterruptedError.
 */
export async function takeUpInvite(
  folder: string,
  invite: Invite,
  { signal, onStatus }: { readonly signal: AbortSignal; readonly onStatus: (text: string) => void },
): Promise<OwnerKeys> {
  const home = resolve(folder);
  await makeFolder(home);
  const keys = await keysFor(home, invite);
  if (keys.jwt !== null) return keys;
  const { url, ca, jwt, seed, owner } = invite;
  const connection = await openConnection(
    { url, ca, jwt, seed, name: `invite of ${owner}` },
    { wait: true, signal, onStatus },
  );
  try {
    for (let said = false; ; said = true) {
      if (signal.aborted) throw new InterruptedError('Interrupted.');
      try {
        return await save(home, { ...keys, jwt: await askToJoin(connection, invite, keys, ASK_MS) });
      } catch (error) {
        if (error instanceof FedtuneError) throw error;
        if (!said) onStatus('waiting for the coordinator ("fedtune federation serve") to take this owner in');
        await sleep(PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
  } finally {
    await connection.close();
  }
}
