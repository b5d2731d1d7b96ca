import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Description } from '../contracts/messages.js';
import { RunError } from '../errors.js';
import { makeFolder, writeAtomic } from '../files.js';
import { descriptionSchema } from '../links/index.js';
import type { DescribedOwner } from './owners.js';

/** In the folder in which simulated owners live. */
const FILE = 'federation.json';

const schema = z.strictObject({
  /** By which the owners of a federation know this run. */
  run: z.uuid(),
  owners: z.array(
    z.strictObject({
      id: z.string(),
      folder: z.string(),
      rank: z.int().min(1),
      /** First round that it may be asked for. */
      since: z.int().min(1),
      description: descriptionSchema,
    }),
  ),
});

/** An owner elsewhere, as it described itself when it came. */
export interface RosterOwner extends DescribedOwner {
  readonly since: number;
  readonly description: Description;
}

/** Who takes part in a run on machines of their own: kept, so that a run can go on while some of them are away. */
export class Roster {
  readonly #path: string;
  readonly run: string;
  owners: readonly RosterOwner[];

  private constructor(path: string, run: string, owners: readonly RosterOwner[]) {
    this.#path = path;
    this.run = run;
    this.owners = owners;
  }

  /** Names a new run, with nobody in it yet. Throws RunError WRITE_FAILED. */
  static async create(homes: string): Promise<Roster> {
    await makeFolder(homes);
    const roster = new Roster(join(homes, FILE), randomUUID(), []);
    await roster.#save();
    return roster;
  }

  /** That of a run that was begun. Throws RunError STATE_DAMAGED. */
  static open(homes: string): Roster {
    const path = join(homes, FILE);
    try {
      const { run, owners } = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
      return new Roster(path, run, owners);
    } catch (cause) {
      throw new RunError(
        'STATE_DAMAGED',
        `${path} is missing, torn or was altered. Put it back, or start the run anew.`,
        { cause },
      );
    }
  }

  /** Keeps owners that are asked from this round on. Throws RunError WRITE_FAILED. */
  async add(owners: readonly DescribedOwner[], since: number): Promise<void> {
    const added = owners.map(({ id, folder, rank, description }) => ({ id, folder, rank, since, description }));
    this.owners = [...this.owners, ...added];
    await this.#save();
  }

  /** Those who may be asked for a round. */
  of(round: number): readonly RosterOwner[] {
    return this.owners.filter(({ since }) => since <= round);
  }

  #save(): Promise<void> {
    return writeAtomic(this.#path, `${JSON.stringify({ run: this.run, owners: this.owners })}\n`);
  }
}
