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
  const { message, stack, code } =
    error instanceof Error ? (error as Error & { code?: unknown }) : new Error(String(error));
  return { code: typeof code === 'string' ? code : 'WORKER', message, exitCode: 1, stack };
}

export function fromWireError({ code, message, exitCode, stack }: WireError): FedtuneError {
  return new FedtuneError(code, message, { exitCode, ...(stack === undefined ? {} : { cause: stack }) });
}
