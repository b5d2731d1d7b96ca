import {
  AdapterError,
  ConfigError,
  DataError,
  EngineError,
  type ExitCode,
  FedtuneError,
  InterruptedError,
  ModelError,
  RunError,
} from '../errors.js';
import type { WireError } from './messages.js';

interface ErrorOptions {
  readonly cause?: unknown;
  readonly exitCode: ExitCode;
}
type Make = (code: string, message: string, options: ErrorOptions) => FedtuneError;

/** How each class of src/errors.ts is made again. */
const CLASSES: Readonly<Record<string, Make>> = {
  FedtuneError: (code, message, options) => new FedtuneError(code, message, options),
  ConfigError: (code, message, { cause }) => new ConfigError(message, { code, cause }),
  ModelError: (code, message, options) => new ModelError(code, message, options),
  DataError: (code, message, options) => new DataError(code, message, options),
  AdapterError: (code, message, options) => new AdapterError(code, message, options),
  EngineError: (code, message, options) => new EngineError(code, message, options),
  RunError: (code, message, options) => new RunError(code, message, options),
  InterruptedError: (_code, message, { cause }) => new InterruptedError(message, { cause }),
};

/** Causes beyond this depth are left out; a chain may bite its own tail. */
const MAX_DEPTH = 8;
/** Name of what was thrown and is no Error. */
const NO_ERROR = 'text';

/** The nearest class that the other side knows: a class derived from one of fedtune's comes back as that one. */
function classOf(error: FedtuneError): string {
  for (let at = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const name = (at.constructor as { name: string }).name;
    if (Object.hasOwn(CLASSES, name)) return name;
  }
  return 'FedtuneError';
}

/** An error as plain data; what is no Error goes as its text. */
export function toWireError(error: unknown, depth = 0): WireError {
  if (!(error instanceof Error)) {
    return { name: NO_ERROR, code: '', message: String(error), exitCode: 1, stack: null, cause: null };
  }
  const isOurs = error instanceof FedtuneError;
  const { code } = error as { code?: unknown };
  const cause = error.cause === undefined || depth >= MAX_DEPTH ? null : toWireError(error.cause, depth + 1);
  return {
    name: isOurs ? classOf(error) : error.name,
    code: typeof code === 'string' ? code : '',
    message: error.message,
    exitCode: isOurs ? error.exitCode : 1,
    stack: error.stack ?? null,
    cause,
  };
}

function causeOf(wire: WireError | null): unknown {
  if (wire === null) return undefined;
  if (wire.name === NO_ERROR) return wire.message;
  if (Object.hasOwn(CLASSES, wire.name)) return fromWireError(wire);
  const { name, code, message, stack } = wire;
  const error = new Error(message, { cause: causeOf(wire.cause) });
  return Object.assign(error, { name, ...(code === '' ? {} : { code }), ...(stack === null ? {} : { stack }) });
}

/**
 * The error that the other side threw: of the same class of src/errors.ts, with code, exit code, causes and the stack of there.
 * Any other becomes a FedtuneError of its own code, or WORKER, with itself as the cause.
 */
export function fromWireError(wire: WireError): FedtuneError {
  const { name, code, message, exitCode, stack } = wire;
  const make = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
  if (make === undefined) {
    return new FedtuneError(code === '' ? 'WORKER' : code, message, { cause: causeOf(wire), exitCode });
  }
  const error = make(code, message, { cause: causeOf(wire.cause), exitCode });
  if (stack !== null) error.stack = stack;
  return error;
}
