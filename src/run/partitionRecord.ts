import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { RunConfig } from '../config/schema.js';
import { EVAL_SPLITS } from '../contracts/evaluation.js';
import type { Description } from '../contracts/messages.js';
import { PARTITION_VERSION, type PartitionRecord } from '../contracts/partition.js';
import { RunError } from '../errors.js';
import { partitionSchema } from '../report/record.js';
import { runFile } from './content.js';
import type { Deal } from './deal.js';
import type { DescribedOwner } from './owners.js';

/** The content of partition.json. */
export const formatPartition = (record: PartitionRecord): string => `${JSON.stringify(record, null, 1)}\n`;

/** The names that `ownerFolders` gives. */
const folder = z.string().regex(/^[\p{L}\p{N}_-]+$/u, 'expected the name of a folder');

/** What a run that goes on needs of it. */
const schema = partitionSchema.extend({
  version: z.literal(PARTITION_VERSION),
  given_splits: z.array(z.enum(EVAL_SPLITS)),
  clients: z.array(partitionSchema.shape.clients.element.extend({ folder })),
});

/** What partition.json of a run that was begun says, to the letter. Throws RunError STATE_DAMAGED. */
export async function readPartition(dir: string): Promise<PartitionRecord> {
  const path = runFile(dir, 'partition.json');
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as PartitionRecord;
    schema.parse(record);
    return record;
  } catch (cause) {
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing, torn or was altered. Put it back, or start the run anew.`,
      { cause },
    );
  }
}

/** What the run folder says of who has how much; `leftOut` stay out of the run. */
export function makePartition(
  { partition: kind, runtime }: RunConfig,
  { numExamples, numBadRows, numUnlabelled, givenSplits, reading, owners: dealt }: Deal,
  owners: readonly DescribedOwner[],
  leftOut: readonly DescribedOwner[],
): PartitionRecord {
  const rows = new Map(dealt.map(({ id, examples }) => [id, examples.length]));
  // Of rows that were not dealt here what their owner tells is known: those in use, and those left out.
  const told = ({ train, valid, test, dropped }: Description): number =>
    train.examples + valid.examples + test.examples + Object.values(dropped).reduce((a, b) => a + b, 0);
  const rowsOf = ({ id, description }: DescribedOwner) => (runtime === 'nats' ? told(description) : rows.get(id)!);
  return {
    version: PARTITION_VERSION,
    kind,
    num_examples: runtime === 'nats' ? owners.reduce((sum, owner) => sum + rowsOf(owner), 0) : numExamples,
    num_bad_rows: numBadRows,
    num_unlabelled: numUnlabelled,
    given_splits: givenSplits,
    reading,
    left_out: leftOut.map(({ id, description }) => ({ id, train: description.train.examples })),
    clients: owners.map(({ description: d, ...owner }) => ({
      id: owner.id,
      folder: owner.folder,
      rows: rowsOf({ ...owner, description: d }),
      train: d.train.examples,
      valid: d.valid.examples,
      test: d.test.examples,
      targets: d.train.targets,
      categories: d.categories,
      dropped: Object.values(d.dropped).reduce((a, b) => a + b, 0),
      dropped_why: d.dropped,
      cut: d.numCut,
      targets_used: d.train.targets + d.valid.targets + d.test.targets,
      targets_lost: d.numTargetsLost,
    })),
  };
}
