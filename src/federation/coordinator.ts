import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { FedtuneError } from '../errors.js';
import { openConnection } from './connection.js';
import type { FederationFolder, OwnerRecord } from './folder.js';
import { publicKeyOf } from './keys.js';
import { type Found, Mailbox } from './mailbox.js';
import { Streams } from './streams.js';
import { subjectsOf } from './subjects.js';

const REQUEST_MS = 5000;

/** A connection of the coordinator, or of the system account. Throws FedtuneError NO_SERVER, REFUSED. */
export async function connectAs(
  folder: FederationFolder,
  who: 'coordinator' | 'system',
  how: { readonly wait: boolean; readonly signal?: AbortSignal; readonly onStatus?: (text: string) => void } = {
    wait: false,
  },
): Promise<NatsConnection> {
  const seed = who === 'coordinator' ? folder.keys.user : folder.keys.systemUser;
  const access = { url: folder.endpoint.url, ca: folder.ca, jwt: await folder.userJwt(who), seed, name: who };
  return openConnection(access, how);
}

/** Tells a server that runs of an account. Throws FedtuneError NATS. */
async function pushJwt(system: NatsConnection, jwt: string): Promise<void> {
  const reply = await system.request('$SYS.REQ.CLAIMS.UPDATE', jwt, { timeout: REQUEST_MS });
  const { error } = reply.json<{ readonly error?: { readonly description?: string } }>();
  if (error)
    throw new FedtuneError('NATS', `The NATS server took no new account: ${error.description ?? 'no reason given'}.`);
}

/** Tells the server of an account, where it runs: one that is started later reads it from the folder. Says whether it runs. */
export async function announce(folder: FederationFolder, accountJwt: string): Promise<boolean> {
  let system: NatsConnection;
  try {
    system = await connectAs(folder, 'system');
  } catch (error) {
    if ((error as FedtuneError).code === 'NO_SERVER') return false;
    throw error;
  }
  try {
    await pushJwt(system, accountJwt);
    return true;
  } finally {
    await system.close();
  }
}

/** Tells the server of all accounts: of one on another machine. */
export async function announceAll(folder: FederationFolder, system: NatsConnection): Promise<void> {
  const dir = join(folder.dir, 'jwt');
  for (const name of (await readdir(dir)).filter((file) => file.endsWith('.jwt'))) {
    await pushJwt(system, await readFile(join(dir, name), 'utf8'));
  }
}

/** What is known of an owner, for a table. */
export interface OwnerStatus {
  readonly name: string;
  readonly state: 'invited' | 'invite expired' | 'joined' | 'removed';
  /** Undefined where the server does not run. */
  readonly isConnected?: boolean;
  readonly doing?: string;
}

function stateOf(folder: FederationFolder, owner: OwnerRecord, now: Date): OwnerStatus['state'] {
  if (owner.isRemoved) return 'removed';
  if (folder.enrolment(owner)) return 'joined';
  return owner.expires * 1000 < now.getTime() ? 'invite expired' : 'invited';
}

const idOf = (found: Found | undefined): unknown => {
  try {
    return found && JSON.parse(Buffer.from(found.payload).toString()).id;
  } catch {
    return undefined;
  }
};

async function connectionsOf(system: NatsConnection, account: string): Promise<number> {
  try {
    const reply = await system.request(`$SYS.REQ.ACCOUNT.${account}.CONNZ`, '', { timeout: REQUEST_MS });
    return reply.json<{ data?: { num_connections?: number } }>().data?.num_connections ?? 0;
  } catch {
    // A server that never heard of the account says nothing.
    return 0;
  }
}

/** Everyone of a federation, and what each does now. */
export async function federationStatus(folder: FederationFolder, now = new Date()): Promise<OwnerStatus[]> {
  const owners = folder.owners();
  const known = owners.map((owner) => ({ name: owner.name, state: stateOf(folder, owner, now) }));
  let system: NatsConnection;
  try {
    system = await connectAs(folder, 'system');
  } catch (error) {
    if ((error as FedtuneError).code === 'NO_SERVER') return known;
    throw error;
  }
  const coordinator = await connectAs(folder, 'coordinator');
  const streams = new Streams(coordinator, 'the coordinator');
  try {
    return await Promise.all(
      owners.map(async (owner, i) => {
        if (known[i]!.state !== 'joined') return known[i]!;
        const account = publicKeyOf(owner.account);
        const box = new Mailbox(coordinator, 'the coordinator', `$JS.API.DIRECT.GET.${account}.`, () => {});
        await streams.ensure(account, 0);
        const { task, reply } = subjectsOf(account);
        const [asked, said] = [await box.get(task), await box.get(reply)];
        const isConnected = (await connectionsOf(system, account)) > 0;
        const isBusy = asked !== undefined && idOf(asked) !== idOf(said);
        return { ...known[i]!, isConnected, doing: isBusy ? 'has work to do' : 'waits' };
      }),
    );
  } finally {
    await Promise.all([system.close(), coordinator.close()]);
  }
}
