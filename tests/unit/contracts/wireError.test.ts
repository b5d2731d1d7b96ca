import { describe, expect, it } from 'vitest';
import { isFinal } from '../../../src/contracts/isFinal.js';
import { fromWireError, toWireError } from '../../../src/contracts/wireError.js';
import * as errors from '../../../src/errors.js';
import {
  AdapterError,
  ConfigError,
  EngineError,
  FedtuneError,
  InterruptedError,
  RunError,
} from '../../../src/errors.js';

/** As the wire has it: plain JSON. */
const across = (error: unknown): FedtuneError => fromWireError(JSON.parse(JSON.stringify(toWireError(error))));

const CLASSES = Object.values(errors) as (new (...args: never[]) => FedtuneError)[];

function make(type: (typeof CLASSES)[number], cause: unknown): FedtuneError {
  if ((type as unknown) === ConfigError) return new ConfigError('Expected this.', { code: 'UNKNOWN_KEY', cause });
  if ((type as unknown) === InterruptedError) return new InterruptedError('Expected this.', { cause });
  return new (type as unknown as typeof FedtuneError)('SOME_CODE', 'Expected this.', { cause, exitCode: 1 });
}

describe('errors across the boundary', () => {
  for (const type of CLASSES) {
    it(`${type.name} keeps class, code, exit code, message, stack and causes`, () => {
      const root = Object.assign(new Error('no space'), { code: 'ENOSPC' });
      const error = make(type, new RunError('WRITE_FAILED', 'Cannot write.', { cause: root }));
      const there = across(error);
      expect(there).toBeInstanceOf(type);
      expect(there.constructor).toBe(error.constructor);
      const { name, code, exitCode, message, stack } = error;
      expect({
        name: there.name,
        code: there.code,
        exitCode: there.exitCode,
        message: there.message,
        stack: there.stack,
      }).toEqual({ name, code, exitCode, message, stack });
      expect(there.cause).toBeInstanceOf(RunError);
      const last = (there.cause as Error).cause as NodeJS.ErrnoException;
      expect(last).toBeInstanceOf(Error);
      expect([last.message, last.code]).toEqual(['no space', 'ENOSPC']);
    });
  }

  it('a class derived from ours comes back as ours', () => {
    class Special extends AdapterError {}
    expect(across(new Special('NON_FINITE', 'x')).constructor).toBe(AdapterError);
  });

  it('others come back as FedtuneError with themselves as the cause', () => {
    const there = across(new TypeError('x is not a function'));
    expect([there.constructor, there.code, there.message]).toEqual([FedtuneError, 'WORKER', 'x is not a function']);
    expect((there.cause as Error).name).toBe('TypeError');
    expect(across(Object.assign(new Error('gone'), { code: 'ENOENT' })).code).toBe('ENOENT');
  });

  it('what is no error is kept as text', () => {
    expect(across('just text').message).toBe('just text');
    expect(across(new FedtuneError('A', 'b', { cause: { odd: 1 } })).cause).toBe('[object Object]');
    expect(across(undefined).message).toBe('undefined');
  });

  it('a chain without end is cut', () => {
    const error = new FedtuneError('A', 'b');
    Object.defineProperty(error, 'cause', { value: error });
    let depth = 0;
    for (let at: unknown = across(error); at instanceof Error; at = at.cause) depth++;
    expect(depth).toBeGreaterThan(3);
    expect(depth).toBeLessThan(20);
  });

  it('the names of prototypes are no classes', () => {
    const wire = { name: 'constructor', code: '', message: 'x', exitCode: 1 as const, stack: null, cause: null };
    expect(fromWireError(wire).constructor).toBe(FedtuneError);
  });
});

describe('what is tried again', () => {
  it('not what follows from seed, data and configuration', () => {
    const final = [
      new EngineError('DIVERGED', ''),
      new EngineError('NON_FINITE', ''),
      new AdapterError('EQUAL_SCORES', ''),
      new FedtuneError('NON_FINITE', ''),
      new ConfigError(''),
      new InterruptedError(''),
    ];
    for (const error of final) expect([error.code, isFinal(across(error))]).toEqual([error.code, true]);
  });

  it('but what may pass', () => {
    const passing = [
      new FedtuneError('WORKER', ''),
      new EngineError('OUT_OF_MEMORY', ''),
      new RunError('WRITE_FAILED', ''),
      new Error('anything'),
    ];
    for (const error of passing) expect(isFinal(across(error))).toBe(false);
    expect(isFinal('text')).toBe(false);
  });
});
