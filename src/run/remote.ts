import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunConfig } from '../config/schema.js';
import { DataTally } from '../data/index.js';
import { ConfigError, RunError } from '../errors.js';
import { makeFolder, writeAtomic } from '../files.js';
import type { Link, Tap } from '../links/index.js';
import { ownerFolders } from '../partition/index.js';
import type { Deal } from './deal.js';
import type { Prepared } from './prepare.js';

/** Of the name by which the owners of a federation know this run; in the folder in which simulated ones live. */
const FILE = 'federation.json';
const schema = z.strictObject({ run: z.uuid() });

/** Loaded by those alone who need it. */
const nats = () => import('../federation/index.js');

const MEGABYTE = 1024 * 1024;
/** What methods send up is a few adapters; with as much again for masks and headers. */
const MAX_ADAPTERS = 16;

/** Owners on machines of their own have their rows already: nothing is dealt. Throws ConfigError NO_OWNERS, FedtuneError. */
export async function remoteOwners({ federation }: RunConfig): Promise<Deal> {
  const { FederationFolder } = await nats();
  const folder = FederationFolder.open(federation!);
  const ids = folder.owners().flatMap((owner) => (folder.enrolment(owner) ? [owner.name] : []));
  if (ids.length === 0) {
    throw new ConfigError(
      `Expected owners that have joined ${folder.name} but there are none. Invite one: fedtune federation invite ${federation} NAME`,
      { code: 'NO_OWNERS' },
    );
  }
  const folders = ownerFolders(ids);
  return {
    owners: ids.map((id) => ({ id, folder: folders.get(id)!, examples: [] })),
    givenSplits: [],
    numExamples: 0,
    numBadRows: 0,
    numUnlabelled: 0,
    reading: new DataTally().summary(),
  };
}

/** Names a new run. Throws RunError WRITE_FAILED. */
export async function nameRun(homes: string): Promise<void> {
  await makeFolder(homes);
  await writeAtomic(join(homes, FILE), `${JSON.stringify({ run: randomUUID() })}\n`);
}

function runName(homes: string): string {
  const path = join(homes, FILE);
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8'))).run;
  } catch (cause) {
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing, torn or was altered. Put it back, or start the run anew.`,
      { cause },
    );
  }
}

/** A link to owners on machines of their own. */
export async function linkRemote(
  { config, initial }: Prepared,
  homes: string,
  owners: readonly { readonly id: string }[],
  { tap, onStatus }: { readonly tap?: Tap; readonly onStatus?: (text: string) => void },
): Promise<Link> {
  const { FederationFolder, NatsLink } = await nats();
  return new NatsLink({
    federation: FederationFolder.open(config.federation!),
    run: runName(homes),
    owners: owners.map(({ id }) => id),
    ...(config.deadline !== null && config.devices.length === 0 ? { deadlineMs: config.deadline * 1000 } : {}),
    maxReplyBytes: 4 * MEGABYTE + MAX_ADAPTERS * initial.byteLength,
    ...(tap ? { tap } : {}),
    ...(onStatus ? { onStatus } : {}),
  });
}
