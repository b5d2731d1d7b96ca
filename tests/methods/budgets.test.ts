import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPeftAdapter } from '../../src/export/index.js';
import { adapterFolder, writeAdapters } from '../../src/run/adapters.js';
import { runInline } from './inlineRun.js';

const RANKS = [1, 2, 3, 4, 5, 6, 7, 8];

describe('rank budgets of perfit', () => {
  it('prune: rank leaves the federation as a plain adapter of the rank of its owner', async () => {
    const run = await runInline({
      method: 'perfit',
      prune: 'rank',
      rank_per_client: RANKS,
      take_home: 'personalized',
      num_rounds: 1,
    });
    const dir = mkdtempSync(join(tmpdir(), 'fedtune-budgets-'));
    try {
      await writeAdapters({ dir, requireOwnership: () => {} }, run.prepared, run.finished);
      for (const { client, personalized } of run.finished.clients) {
        const folder = adapterFolder(dir, run.prepared.folders.get(client.id)!);
        const { layout, values, mask } = await readPeftAdapter(folder, run.prepared.model);
        expect(mask === null).toBe(true);
        expect(new Set(layout.modules.map(({ rank }) => rank))).toEqual(new Set([client.rank]));
        expect(values.filter((value) => value !== 0)).toHaveLength(
          personalized!.values.filter((value) => value !== 0).length,
        );
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('are refused where the expanded space has no room for them', async () => {
    await expect(runInline({ method: 'perfit', rank_per_client: 9 })).rejects.toMatchObject({
      code: 'RANK_ABOVE_EXPANSION',
    });
  });
});

describe('mutation', () => {
  it.each([
    ['alternate', 1],
    ['both', 3],
  ])('mutate: %s is refused with %i clients a round, who cannot be paired', async (mutate, clients) => {
    const settings = { mutation: 'fedqp', mutate, clients_per_round: clients };
    await expect(runInline(settings)).rejects.toMatchObject({ code: 'CONFIG_CONFLICT' });
  });
});
