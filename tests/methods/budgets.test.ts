import { describe, expect, it } from 'vitest';
import { countOnes } from '../../src/adapter/masks.js';
import { readPeftAdapter } from '../../src/export/index.js';
import { runInline } from './inlineRun.js';

const RANKS = [1, 2, 3, 4, 5, 6, 7, 8];

describe('rank budgets of perfit', () => {
  it('prune: rank leaves the federation as a plain adapter of the rank of its owner', async () => {
    const { finished, takeHomes, prepared } = await runInline({
      method: 'perfit',
      prune: 'rank',
      rank_per_client: RANKS,
      take_home: 'personalized',
      num_rounds: 1,
    });
    expect(finished.clients.map(({ client }) => client.rank)).toEqual(RANKS);
    for (const { client } of finished.clients) {
      const { layout, values, mask } = await readPeftAdapter(takeHomes.get(client.id)!, prepared.model);
      expect(mask === null).toBe(true);
      expect(new Set(layout.modules.map(({ rank }) => rank))).toEqual(new Set([client.rank]));
      // Nothing of what its mask keeps of the merged adapter is lost, nothing is added.
      const kept = finished.masks.get(client.id)!;
      expect(countOnes(kept)).toBe(layout.size);
      const merged = finished.global!.values.filter((value, p) => kept[p] === 1 && value !== 0);
      expect(values.filter((value) => value !== 0).sort()).toEqual(merged.sort());
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
