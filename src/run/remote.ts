import type { RunConfig } from '../config/schema.js';
import type { DescribeRequest, Description } from '../contracts/messages.js';
import { DataTally } from '../data/index.js';
import { ConfigError, FedtuneError } from '../errors.js';
import type { FederationFolder, NatsLink } from '../federation/index.js';
import type { Tap } from '../links/index.js';
import { ownerFolders } from '../partition/index.js';
import type { Deal } from './deal.js';
import type { Prepared } from './prepare.js';
import type { Roster, RosterOwner } from './roster.js';

/** Loaded by those alone who need it. */
const nats = () => import('../federation/index.js');

const MEGABYTE = 1024 * 1024;
/** What methods send up is a few adapters; with as much again for masks and headers. */
const MAX_ADAPTERS = 16;

/** Names of the owners that have joined a federation by now. */
export const joinedOwners = (folder: FederationFolder): string[] =>
  folder.owners().flatMap((owner) => (folder.enrolment(owner) ? [owner.name] : []));

/** The folder of the run's federation. Throws FedtuneError NO_FEDERATION, DAMAGED. */
export async function openFolder({ federation }: RunConfig): Promise<FederationFolder> {
  return (await nats()).FederationFolder.open(federation!);
}

/** Owners on machines of their own have their rows already: nothing is dealt. Throws ConfigError NO_OWNERS, FedtuneError. */
export async function remoteOwners(config: RunConfig): Promise<Deal> {
  const folder = await openFolder(config);
  const ids = joinedOwners(folder);
  if (ids.length === 0) {
    throw new ConfigError(
      `Expected owners that have joined ${folder.name} but there are none. Invite one: fedtune federation invite ${config.federation} NAME`,
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

/** What a link to owners elsewhere knows of the run. */
export interface RemoteLink {
  readonly roster: Roster;
  readonly owners: readonly { readonly id: string }[];
  readonly tap?: Tap;
  readonly onStatus?: (text: string) => void;
  /** Of a run that goes on: what an owner that was described before is asked again, before anything else. */
  readonly again?: (owner: RosterOwner) => DescribeRequest;
}

/** Throws FedtuneError OTHER_DATA where an owner is not the one that it was. */
function checkAgain({ id, description: before }: RosterOwner, { dataSha256 }: Description): void {
  if (dataSha256 === before.dataSha256) return;
  throw new FedtuneError(
    'OTHER_DATA',
    `Expected the data with which ${id} began this run (sha256 ${before.dataSha256.slice(0, 12)}...) but it has other data now (${dataSha256.slice(0, 12)}...).`,
  );
}

/** A link to owners on machines of their own. */
export async function linkRemote(
  { config, initial }: Prepared,
  { roster, owners, tap, onStatus, again }: RemoteLink,
): Promise<NatsLink> {
  const { NatsLink } = await nats();
  const introduce = (id: string) => {
    const owner = roster.owners.find((one) => one.id === id);
    return owner && { request: again!(owner), check: (said: Description) => checkAgain(owner, said) };
  };
  return new NatsLink({
    federation: await openFolder(config),
    run: roster.run,
    owners: owners.map(({ id }) => id),
    ...(config.deadline !== null && config.devices.length === 0 ? { deadlineMs: config.deadline * 1000 } : {}),
    maxReplyBytes: 4 * MEGABYTE + MAX_ADAPTERS * initial.byteLength,
    ...(tap ? { tap } : {}),
    ...(onStatus ? { onStatus } : {}),
    ...(again ? { introduce } : {}),
  });
}
