import { isGone } from '../contracts/isFinal.js';
import { FedtuneError, RunError } from '../errors.js';
import { byCode } from '../order.js';
import { orInterrupted } from '../server/train.js';
import type { LoopHost } from '../server/types.js';
import { shown } from '../text.js';
import { configFromHere } from './content.js';
import { makeFederation } from './federation.js';
import { RunFolder } from './folder.js';
import { Newcomers } from './newcomers.js';
import type { Opened, OpenOptions } from './open.js';
import { type DescribedOwner, describeOwners, describeRequests, homesOf, smallOwners, startClients } from './owners.js';
import { formatPartition, makePartition, readPartition } from './partitionRecord.js';
import type { Prepared } from './prepare.js';
import { linkRemote, remoteOwners } from './remote.js';
import { checkSameConfig } from './resume.js';
import { Roster } from './roster.js';

/** Said by owners that take no part, of their own will. */
const REFUSALS: readonly string[] = ['DECLINED', 'OWNER_LIMIT'];

/** Takes note of owners that a run begins without: those that did not answer in time, were removed, or will not. */
class Missing {
  readonly refused: string[] = [];
  first: FedtuneError | undefined;
  readonly #onStatus: OpenOptions['onStatus'];

  constructor(onStatus: OpenOptions['onStatus']) {
    this.#onStatus = onStatus;
  }

  readonly leaveOut = (id: string, error: unknown): boolean => {
    if (!(error instanceof FedtuneError)) return false;
    const isRefusal = REFUSALS.includes(error.code);
    if (!isRefusal && !isGone(error)) return false;
    if (isRefusal) this.refused.push(id);
    this.first ??= error;
    this.#onStatus?.(`the run begins without ${shown(id)} (${error.code}): ${error.message}`);
    return true;
  };

  /** Throws RunError TOO_FEW_CLIENTS. */
  require({ config }: Prepared, owners: readonly DescribedOwner[]): void {
    if (this.first === undefined || owners.length >= Math.max(1, config.min_clients)) return;
    throw new RunError(
      'TOO_FEW_CLIENTS',
      `Expected at least ${config.min_clients} owner(s) to take part but ${owners.length} do. ${this.first.message}`,
      { cause: this.first },
    );
  }
}

const sorted = <T extends DescribedOwner>(owners: readonly T[]): T[] => owners.toSorted((a, b) => byCode(a.id, b.id));

/** Takes in who has joined between two rounds; a run that goes on asks for the same rounds whom it asked before. */
function growing(
  prepared: Prepared,
  { folder, roster, newcomers }: { readonly folder: RunFolder; readonly roster: Roster; readonly newcomers: Newcomers },
): NonNullable<LoopHost['grow']> {
  let size = roster.of(1).length;
  return async ({ round }) => {
    const isOver = round >= prepared.config.num_rounds;
    const next = isOver ? round : round + 1;
    if (!isOver) {
      const arrived = newcomers.take();
      if (arrived.length > 0) await roster.add(arrived, next);
      newcomers.look();
    }
    const owners = sorted(roster.of(next));
    if (owners.length === size) return undefined;
    size = owners.length;
    const fresh = owners.filter(({ since }) => since === next);
    if (fresh.length > 0) folder.emit({ type: 'joined', round: next, clients: startClients(fresh, prepared.config) });
    return makeFederation(prepared, owners);
  };
}

/** Begins a run with the owners that have joined and answer. Throws as `openFederation` does. */
export async function openNewRemote(prepared: Prepared, dir: string, options: OpenOptions): Promise<Opened> {
  const { overwrite, signal, onStatus } = options;
  const { config } = prepared;
  const dealt = await remoteOwners(config);
  const folder = await RunFolder.claim(dir, overwrite);
  let link: Awaited<ReturnType<typeof linkRemote>> | undefined;
  try {
    const roster = await Roster.create(homesOf(dir));
    link = await linkRemote(prepared, { ...options, roster, owners: dealt.owners });
    const missing = new Missing(onStatus);
    const { owners: all, givenSplits } = dealt;
    const describing = describeOwners(prepared, link, all, givenSplits, undefined, missing.leaveOut);
    const present = await orInterrupted(describing, signal);
    missing.require(prepared, present);
    const small = smallOwners(config, present);
    const owners = present.filter((owner) => !small.includes(owner));
    const partition = makePartition(config, dealt, owners, small);
    const federation = makeFederation(prepared, owners);
    await roster.add(owners, 1);
    await folder.begin(config, formatPartition(partition));
    const known = [...present.map(({ id }) => id), ...missing.refused];
    const newcomers = await Newcomers.of(prepared, link, { known, givenSplits, onStatus });
    const grow = growing(prepared, { folder, roster, newcomers });
    return { folder, link, owners, partition, federation, firstExample: undefined, grow };
  } catch (error) {
    await link?.close();
    await folder.abandon();
    throw error;
  }
}

/** Goes on with a run, whoever is there: an owner is told of it again before the next thing that it is asked. */
export async function openRemoteAgain(prepared: Prepared, dir: string, options: OpenOptions): Promise<Opened> {
  const folder = await RunFolder.open(dir);
  let link: Awaited<ReturnType<typeof linkRemote>> | undefined;
  try {
    checkSameConfig(await configFromHere(dir), prepared.config);
    const partition = await readPartition(dir);
    const roster = Roster.open(homesOf(dir));
    const { given_splits: givenSplits, left_out } = partition;
    const request = await describeRequests(prepared, givenSplits);
    link = await linkRemote(prepared, {
      ...options,
      roster,
      owners: roster.owners,
      again: ({ rank }) => request(rank),
    });
    const owners = roster.of(1);
    const federation = makeFederation(prepared, owners);
    const known = [...roster.owners, ...left_out].map(({ id }) => id);
    const newcomers = await Newcomers.of(prepared, link, { known, givenSplits, onStatus: options.onStatus });
    const grow = growing(prepared, { folder, roster, newcomers });
    return { folder, link, owners, partition, federation, firstExample: undefined, grow };
  } catch (error) {
    await link?.close();
    await folder.close();
    throw error;
  }
}
