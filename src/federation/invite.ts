import { readFileSync } from 'node:fs';
import { createAccount } from '@nats-io/nkeys';
import { z } from 'zod';
import { ConfigError, FedtuneError } from '../errors.js';
import { inviteJwt } from './accounts.js';
import { type FederationFolder, nameSchema, newUserSeed, type OwnerRecord, publicKey } from './folder.js';
import { publicKeyOf } from './keys.js';

/** What an owner gets from its coordinator, by a way that nobody else reads; good for one owner, once. */
const inviteSchema = z.strictObject({
  fedtune_invite: z.literal(1),
  federation: nameSchema,
  owner: nameSchema,
  url: z.string().max(300),
  ca: z.string().max(20_000),
  /** The owner's account, and whose signature is the coordinator's. */
  account: publicKey,
  coordinator: publicKey,
  expires: z.iso.datetime(),
  /** With what the owner may ask to be taken in. */
  jwt: z.string().max(10_000),
  seed: z.string().max(100),
});
export type Invite = z.output<typeof inviteSchema>;

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/**
 * Invites an owner, a new one or (`rotate`) one that is to make new keys: those it has count no more. Returns the invite and the JWT
 * of its account, which a server that runs has to be told. Throws FedtuneError EXISTS, UNKNOWN_OWNER.
 */
export async function inviteOwner(
  folder: FederationFolder,
  name: string,
  options: { readonly rotate: boolean; readonly validHours: number; readonly now?: Date },
): Promise<{ readonly invite: Invite; readonly accountJwt: string }> {
  const { rotate, validHours, now = new Date() } = options;
  const before = rotate ? folder.owner(name) : folder.findOwner(name);
  if (before && !rotate && !before.isRemoved) {
    throw new FedtuneError(
      'EXISTS',
      `${name} was invited already. A new invite, after which its old keys count no more: fedtune federation rotate ${folder.dir} ${name}`,
    );
  }
  const seed = newUserSeed();
  const expires = new Date(now.getTime() + validHours * 3_600_000);
  const record: OwnerRecord = {
    name,
    // One that was removed and comes back is another owner to the server.
    account: before && !before.isRemoved ? before.account : new TextDecoder().decode(createAccount().getSeed()),
    invite: publicKeyOf(seed),
    expires: seconds(expires),
    revoked: before && !before.isRemoved ? revoke(folder, before, now) : {},
    isRemoved: false,
  };
  const accountJwt = await folder.saveOwner(record);
  const invite: Invite = {
    fedtune_invite: 1,
    federation: folder.name,
    owner: name,
    url: folder.endpoint.url,
    ca: folder.ca,
    account: publicKeyOf(record.account),
    coordinator: folder.signingKey,
    expires: expires.toISOString(),
    jwt: await inviteJwt(name, record.invite, record.account, record.expires),
    seed,
  };
  return { invite, accountJwt };
}

/** The users of an owner that are let in no more: those from before, the one it has, and who holds its invite. */
function revoke(folder: FederationFolder, owner: OwnerRecord, now: Date): Record<string, number> {
  const user = folder.enrolment(owner)?.user;
  const gone = [owner.invite, ...(user === undefined ? [] : [user])];
  return { ...owner.revoked, ...Object.fromEntries(gone.map((key) => [key, seconds(now)])) };
}

/** Removes an owner: it is let in no more. Returns the JWT of its account. Throws FedtuneError UNKNOWN_OWNER. */
export async function removeOwner(folder: FederationFolder, name: string, now = new Date()): Promise<string> {
  const owner = folder.owner(name);
  return folder.saveOwner({ ...owner, revoked: { ...revoke(folder, owner, now), '*': seconds(now) }, isRemoved: true });
}

/** Reads an invite. Throws ConfigError BAD_INVITE. */
export function readInvite(path: string): Invite {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`Expected an invite at ${path} but it cannot be read: ${(cause as Error).message}.`, {
      code: 'BAD_INVITE',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // As for any other form.
  }
  const parsed = inviteSchema.safeParse(value);
  if (!parsed.success) {
    throw new ConfigError(
      `Expected the invite that "fedtune federation invite" printed but ${path} is none, or was cut.`,
      {
        code: 'BAD_INVITE',
      },
    );
  }
  return parsed.data;
}

/** Throws ConfigError INVITE_EXPIRED. */
export function checkExpiry({ expires, owner }: Invite, now = new Date()): void {
  if (new Date(expires) > now) return;
  throw new ConfigError(
    `Expected an invite that is valid but that of ${owner} expired at ${expires}. Ask the coordinator for a new one.`,
    { code: 'INVITE_EXPIRED' },
  );
}
