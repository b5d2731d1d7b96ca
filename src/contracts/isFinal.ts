import {
  AdapterError,
  ConfigError,
  DataError,
  EngineError,
  FedtuneError,
  InterruptedError,
  ModelError,
} from '../errors.js';

/** What goes wrong in the engine for want of memory, or because of whoever calls it, and not because of seed and data. */
const PASSING: ReadonlySet<string> = new Set(['OUT_OF_MEMORY', 'BUSY', 'DISPOSED']);
/** An owner elsewhere that did not answer in time, takes part no more, or failed by itself: codes of plain FedtuneErrors. */
const GONE: ReadonlySet<string> = new Set(['ABSENT', 'REVOKED', 'OWNER_FAILED']);
/** Codes of plain FedtuneErrors that follow from seed, data and configuration, and of owners that there is no asking again. */
const FINAL: ReadonlySet<string> = new Set(['NON_FINITE', 'NOT_BUILT', ...GONE]);

/** Whether a run goes on without the owner's answer: it is not there, no longer one of its owners, or has none. */
export const isGone = (error: unknown): boolean => error instanceof FedtuneError && GONE.has(error.code);

/**
 * Whether trying again would end the same way: what follows from seed, configuration, data and base alone (DIVERGED, EQUAL_SCORES,
 * NON_FINITE, a bad configuration, ...), and what the user asked for.
 */
export function isFinal(error: unknown): boolean {
  if (error instanceof EngineError) return !PASSING.has(error.code);
  if (error instanceof FedtuneError && FINAL.has(error.code)) return true;
  return [ConfigError, AdapterError, DataError, ModelError, InterruptedError].some((type) => error instanceof type);
}
