import { EngineError, FedtuneError, ModelError } from '../errors.js';
import type { NativeErrorCode } from './binding.js';

const MODEL_CODES: ReadonlySet<string> = new Set<NativeErrorCode>([
  'BAD_MODEL',
  'MISSING_TENSOR',
  'BAD_SHAPE',
  'UNSUPPORTED_FEATURE',
  'UNSUPPORTED_TYPE',
  'TRUNCATED',
]);

/** The typed error for one that the addon threw; others pass through. */
function typed(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (error instanceof FedtuneError || !(error instanceof Error) || typeof code !== 'string') return error;
  const type = MODEL_CODES.has(code) ? ModelError : EngineError;
  return new type(code, error.message, { cause: error });
}

/** Runs a call of the addon; throws its errors as ModelError or EngineError with a `NativeErrorCode`. */
export function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw typed(error);
  }
}

/** The same for a call that gives a promise. */
export async function guardAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw typed(error);
  }
}
