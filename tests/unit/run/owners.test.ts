import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { Description, Request } from '../../../src/contracts/messages.js';
import { DataError } from '../../../src/errors.js';
import type { Link } from '../../../src/links/link.js';
import { dataDigest, describeOwners, smallOwners } from '../../../src/run/owners.js';
import { prepare } from '../../../src/run/prepare.js';

const OWNERS = ['north', 'south'].map((id) => ({ id, folder: id }));

const description = (train: number, long = 0): Description => ({
  kind: 'description',
  train: { examples: train, tokens: 20 * train, targets: 9 * train },
  valid: { examples: 1, tokens: 20, targets: 9 },
  test: { examples: 1, tokens: 20, targets: 9 },
  categories: {},
  dropped: { long, empty: 0, refused: 0, repeated: 0 },
  numCut: 0,
  numTargetsLost: 0,
  dataSha256: 'aa',
  baseSha256: 'bb',
  kernels: 'portable',
});

/** Owners that say of themselves what is written here. */
function linkTo(said: Readonly<Record<string, Description | Error>>, asked: Request[] = []): Link {
  const ask = async (owner: string, request: Request) => {
    asked.push(request);
    const reply = said[owner]!;
    if (reply instanceof Error) throw reply;
    return { reply, bytesDown: 0, bytesUp: 0 };
  };
  return { workers: 1, ask: ask as unknown as Link['ask'], close: async () => {} };
}

async function describeWith(settings: Record<string, unknown>, north: Description | Error, south = description(20)) {
  const prepared = await prepare(parseConfig(settings));
  const asked: Request[] = [];
  const owners = await describeOwners(prepared, linkTo({ north, south }, asked), OWNERS, ['test']);
  return { owners, asked };
}

describe('owners describe themselves to the server', () => {
  it('by counts, each asked with its own rank and the splits that the data gives', async () => {
    const { owners, asked } = await describeWith({ method: 'hetlora', rank_per_client: [2, 8] }, description(12));
    expect(owners.map(({ id, rank, description: d }) => [id, rank, d.train.examples])).toEqual([
      ['north', 2, 12],
      ['south', 8, 20],
    ]);
    expect(asked).toMatchObject([
      { kind: 'describe', rank: 2, givenSplits: ['test'] },
      { kind: 'describe', rank: 8, givenSplits: ['test'] },
    ]);
  });

  it('those with too few examples for training are refused, with the reason', async () => {
    const small = async (settings: Record<string, unknown>, north: Description) =>
      smallOwners(parseConfig(settings), (await describeWith(settings, north)).owners);
    await expect(small({ min_examples: 11 }, description(10))).rejects.toMatchObject({
      name: 'DataError',
      code: 'TOO_FEW_EXAMPLES',
      message: expect.stringContaining('north (10)'),
    });
    const long = description(0, 12);
    await expect(small({ seq_length: 7 }, long)).rejects.toThrow('have prompts that fill seq_length 7; raise it.');
    await expect(small({ seq_length: 7, on_long: 'drop' }, long)).rejects.toThrow(
      'do not fit into seq_length 7; raise it, or set on_long: truncate.',
    );
    // No more are asked for than are used.
    await expect(small({ min_examples: 11, max_train_examples: 10 }, description(10))).resolves.toEqual([]);
  });

  it('what one of them throws comes through', async () => {
    const broken = new DataError('BAD_ROW', 'Row 3.');
    await expect(describeWith({}, broken)).rejects.toBe(broken);
  });

  it('the digest of their data depends on all of it, and on whose it is', async () => {
    const { owners } = await describeWith({}, description(12));
    const other = owners.map((owner, i) =>
      i === 0 ? owner : { ...owner, description: { ...owner.description, dataSha256: 'cc' } },
    );
    expect(dataDigest(other)).not.toBe(dataDigest(owners));
    expect(dataDigest([...owners].map((owner, i) => ({ ...owner, id: OWNERS[1 - i]!.id })))).not.toBe(
      dataDigest(owners),
    );
  });
});
