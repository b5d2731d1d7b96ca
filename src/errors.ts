/** Exit codes of the command line: 0 done, 1 anything else, 2 wrong usage or configuration, 130 interrupted. */
export type ExitCode = 1 | 2 | 130;

/** Every error that fedtune throws on purpose. `message` says what was expected, what came and what to do next. */
export class FedtuneError extends Error {
  override readonly name: string = 'FedtuneError';
  /** Machine-readable kind of the error, UPPER_SNAKE_CASE. */
  readonly code: string;
  /** What the command line exits with when this error ends it. */
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, options: { cause?: unknown; exitCode?: ExitCode } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Wrong usage, an unknown key or a value outside its range in the run file or on the command line. */
export class ConfigError extends FedtuneError {
  override readonly name = 'ConfigError';
  constructor(message: string, options: { cause?: unknown; code?: string } = {}) {
    super(options.code ?? 'CONFIG', message, { ...options, exitCode: 2 });
  }
}

/** A base model that cannot be read: truncated, of another kind, unsupported, wrong shapes, missing tensors. */
export class ModelError extends FedtuneError {
  override readonly name = 'ModelError';
}

/** A data set that cannot be read or whose rows do not fit. */
export class DataError extends FedtuneError {
  override readonly name = 'DataError';
}

/** An adapter that does not fit its base or its layout, or holds NaN or infinity. */
export class AdapterError extends FedtuneError {
  override readonly name = 'AdapterError';
}

/** Wrong use of the training engine: disposed handles, busy trainers, tokens outside the vocabulary, ... */
export class EngineError extends FedtuneError {
  override readonly name = 'EngineError';
}

/** A run folder that is torn, altered, locked by another run, or made with another configuration. */
export class RunError extends FedtuneError {
  override readonly name = 'RunError';
}

/** The user asked to stop (Ctrl-C); what was done is kept. */
export class InterruptedError extends FedtuneError {
  override readonly name = 'InterruptedError';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('INTERRUPTED', message, { ...options, exitCode: 130 });
  }
}
