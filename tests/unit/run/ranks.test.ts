import { describe, expect, it } from 'vitest';
import type { AdapterLayout } from '../../../src/adapter/layout.js';
import { rankBudgets } from '../../../src/run/ranks.js';

const ids = ['local_0', 'local_1', 'local_10', ...Array.from({ length: 8 }, (_, i) => `local_${i + 2}`)];
const budgets = (rank_per_client: number | number[] | Record<string, number>) =>
  rankBudgets(ids, {} as AdapterLayout, { rank_per_client, memory_budget_mb: null, lora_r: 4 });

describe('ranks by client', () => {
  it('a list goes by the numbers in ids, as people list them', () => {
    const ranks = budgets([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([ranks.get('local_2'), ranks.get('local_4'), ranks.get('local_10')]).toEqual([3, 5, 11]);
    expect(() => budgets([1, 2])).toThrow('11 values');
  });

  it('a table names clients', () => {
    expect([...budgets({ local_10: 1 })]).toEqual(ids.map((id) => [id, id === 'local_10' ? 1 : 4]));
    expect(() => budgets({ local_11: 1 })).toThrow('names no client of this run: local_11');
  });
});
