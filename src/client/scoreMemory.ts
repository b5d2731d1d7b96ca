import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Adapter } from '../adapter/layout.js';
import type { EvalSplit } from '../contracts/evaluation.js';
import { removeQuietly } from '../files.js';
import { sha256 } from '../sha256.js';

/** The sum of the NLL of each example of a split in nats, by what was scored (`digestOf`). */
export type KnownScores = ReadonlyMap<string, Float64Array>;

/** What an owner remembers of the scores that it has taken, so that nothing is scored twice. */
export interface ScoreMemory {
  load(split: EvalSplit): KnownScores;
  /** Takes the place of what was remembered of the split. */
  save(split: EvalSplit, scores: KnownScores): void;
}

/** Digest of the bare base. */
export const BASE = 'base';

/** Adapters of equal layout and values score alike; null: the bare base. */
export function digestOf(adapter: Adapter | null): string {
  if (adapter === null) return BASE;
  const { layout, values } = adapter;
  const hash = createHash('sha256').update(JSON.stringify(layout.modules));
  return hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)).digest('hex');
}

interface Content {
  /** What scores hang on beside the adapter. */
  readonly of: string;
  readonly splits: Partial<Record<EvalSplit, readonly (readonly [string, readonly number[]])[]>>;
}

/** The file begins with the digest of the rest: it is not synced, and the power may go. */
function read(path: string, of: string): Content {
  try {
    const text = readFileSync(path, 'utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    const content = text.slice(0, end) === sha256(body) ? (JSON.parse(body) as Content) : undefined;
    if (content?.of === of) return content;
  } catch {
    // None yet, or none that can be read: what it would have told is computed again.
  }
  return { of, splits: {} };
}

/**
 * The memory of an owner in a file of its home, which any thread that works for it finds. `of`: a digest of all that scores hang on
 * beside the adapter; another one, or a file that is damaged, is as if nothing had been scored. A memory that cannot be written is
 * left out: it spares work and holds nothing else.
 */
export function scoreMemory(path: string, of: string): ScoreMemory {
  return {
    load: (split) => new Map((read(path, of).splits[split] ?? []).map(([key, nll]) => [key, Float64Array.from(nll)])),
    save(split, scores) {
      const { splits } = read(path, of);
      const entries = [...scores].map(([key, nll]) => [key, [...nll]] as const);
      const body = JSON.stringify({ of, splits: { ...splits, [split]: entries } } satisfies Content);
      const temporary = `${path}.tmp`;
      try {
        writeFileSync(temporary, `${sha256(body)}\n${body}`);
        renameSync(temporary, path);
      } catch {
        removeQuietly(temporary);
      }
    },
  };
}
