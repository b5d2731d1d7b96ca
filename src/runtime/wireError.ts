import { type ExitCode, FedtuneError } from '../errors.js';

/** An error as plain data: structured clone between threads keeps only name, message and stack of an Error. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
  readonly stack?: string | undefined;
}

export function toWireError(error: unknown): WireError {
  if (error instanceof FedtuneError) {
    return { code: error.code, message: error.message, exitCode: error.exitCode, stack: error.stack };
  }
  const plain = error instanceof Error ? error : new Error(String(error));
  const code = 'code' in plain && typeof plain.code === 'string' ? plain.code : 'WORKER';
  return { code, message: plain.message, exitCode: 1, stack: plain.stack };
}

export function fromWireError({ code, message, exitCode, stack }: WireError): FedtuneError {
  return new FedtuneError(code, message, { exitCode, ...(stack === undefined ? {} : { cause: stack }) });
}
