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
/** Codes of plain FedtuneErrors that follow from seed, data and configuration. */
const FINAL: ReadonlySet<string> = new Set(['NON_FINITE', 'NOT_BUILT']);

/**
 * Whether trying again would end the same way: what follows from seed, configuration, data and base alone (DIVERGED, EQUAL_SCORES,
 * NON_FINITE, a bad configuration, ...), and what the user asked for.
 */
export function isFinal(error: unknown): boolean {
  if (error instanceof EngineError) return !PASSING.has(error.code);
  if (error instanceof FedtuneError && FINAL.has(error.code)) return true;
  return [ConfigError, AdapterError, DataError, ModelError, InterruptedError].some((type) => error instanceof type);
}
