import { rankForMemory } from '../adapter/budget.js';
import type { AdapterLayout } from '../adapter/layout.js';
import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { naturalCompare } from '../order.js';

type PerClient = RunConfig['rank_per_client'];

/** The value of each client out of one number, a list in the natural order of ids, or a table by client id. */
function perClient(value: PerClient, ids: readonly string[], key: string): Map<string, number> {
  if (value === null) return new Map();
  if (typeof value === 'number') return new Map(ids.map((id) => [id, value]));
  if (Array.isArray(value)) {
    if (value.length !== ids.length) {
      throw new ConfigError(
        `Expected ${key} to list ${ids.length} values, one a client, but received ${value.length}.`,
      );
    }
    // As people list them: local_2 before local_10.
    const ordered = [...ids].sort(naturalCompare);
    return new Map(ordered.map((id, i) => [id, value[i]!]));
  }
  const unknown = Object.keys(value).filter((id) => !ids.includes(id));
  if (unknown.length > 0) {
    throw new ConfigError(
      `${key} names no client of this run: ${unknown.join(', ')}. Its clients are ${ids.slice(0, 20).join(', ')}.`,
    );
  }
  return new Map(Object.entries(value));
}

/** Rank budget of each client: `rank_per_client`, else what `memory_budget_mb` holds, else `lora_r`; the smaller of both. */
export function rankBudgets(
  ids: readonly string[],
  layout: AdapterLayout,
  config: Pick<RunConfig, 'rank_per_client' | 'memory_budget_mb' | 'lora_r'>,
): Map<string, number> {
  const ranks = perClient(config.rank_per_client, ids, 'rank_per_client');
  const memory = perClient(config.memory_budget_mb, ids, 'memory_budget_mb');
  return new Map(
    ids.map((id) => {
      const rank = ranks.get(id) ?? config.lora_r;
      const megabytes = memory.get(id);
      return [id, megabytes === undefined ? rank : Math.min(rank, rankForMemory(layout, megabytes))];
    }),
  );
}
