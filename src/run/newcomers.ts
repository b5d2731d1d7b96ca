import type { EvalSplit } from '../contracts/evaluation.js';
import { isGone } from '../contracts/isFinal.js';
import type { DescribeRequest } from '../contracts/messages.js';
import { InterruptedError } from '../errors.js';
import type { FederationFolder, NatsLink } from '../federation/index.js';
import { shown } from '../text.js';
import { type DescribedOwner, describeRequests, smallOwners } from './owners.js';
import type { Prepared } from './prepare.js';
import { rankBudgets } from './ranks.js';
import { joinedOwners, openFolder } from './remote.js';

interface NewcomersOptions {
  /** Owners that are in the run, or will not be. */
  readonly known: readonly string[];
  readonly givenSplits: readonly EvalSplit[];
  readonly onStatus: ((text: string) => void) | undefined;
}

/** Owners that join a federation while a run goes on: asked beside its rounds what they have; no round waits for them. */
export class Newcomers {
  readonly #prepared: Prepared;
  readonly #link: NatsLink;
  readonly #folder: FederationFolder;
  readonly #request: (rank: number) => DescribeRequest;
  readonly #onStatus: (text: string) => void;
  readonly #known: Set<string>;
  #arrived: DescribedOwner[] = [];

  private constructor(
    prepared: Prepared,
    link: NatsLink,
    folder: FederationFolder,
    request: (rank: number) => DescribeRequest,
    { known, onStatus = () => {} }: NewcomersOptions,
  ) {
    this.#prepared = prepared;
    this.#link = link;
    this.#folder = folder;
    this.#request = request;
    this.#onStatus = onStatus;
    this.#known = new Set(known);
  }

  static async of(prepared: Prepared, link: NatsLink, options: NewcomersOptions): Promise<Newcomers> {
    const request = await describeRequests(prepared, options.givenSplits);
    return new Newcomers(prepared, link, await openFolder(prepared.config), request, options);
  }

  /** Begins to ask those who have joined since. */
  look(): void {
    for (const id of joinedOwners(this.#folder).filter((one) => !this.#known.has(one))) {
      this.#known.add(id);
      void this.#ask(id);
    }
  }

  /** Those who have answered since the last time. */
  take(): readonly DescribedOwner[] {
    const arrived = this.#arrived;
    this.#arrived = [];
    return arrived;
  }

  /** A list of ranks counts the owners that were there when the run began; who comes later has the rank of the run. */
  #rankOf(id: string): number {
    const { layout, config } = this.#prepared;
    const alone = <T>(value: T) => (typeof value === 'number' ? value : null);
    const { rank_per_client, memory_budget_mb, lora_r } = config;
    const own = { rank_per_client: alone(rank_per_client), memory_budget_mb: alone(memory_budget_mb), lora_r };
    return rankBudgets([id], layout, own).get(id)!;
  }

  async #ask(id: string): Promise<void> {
    try {
      this.#link.admit(id);
      const rank = this.#rankOf(id);
      const { reply: description } = await this.#link.ask(id, this.#request(rank));
      const owner = { id, folder: id, rank, description };
      if (smallOwners({ ...this.#prepared.config, on_small_owner: 'error' }, [owner]).length === 0) {
        this.#arrived.push(owner);
        this.#onStatus(`${shown(id)} has joined the run`);
      }
    } catch (error) {
      if (error instanceof InterruptedError) return;
      this.#onStatus(`${shown(id)} does not join the run: ${(error as Error).message}`);
      // One that is away is asked again, one that is back with new keys as well.
      if (isGone(error)) this.#known.delete(id);
    }
  }
}
