import { ModelError } from '../../errors.js';
import type { GgufHeader } from './header.js';

/** Typed look-ups in the metadata of one GGUF file; a value of another kind is a ModelError BAD_METADATA. */
export class GgufMetadata {
  readonly path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(header: Pick<GgufHeader, 'path' | 'metadata'>) {
    this.path = header.path;
    this.#values = header.metadata;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }

  isList(key: string): boolean {
    return Array.isArray(this.#get(key));
  }

  #get(key: string): unknown {
    return this.has(key) ? this.#values[key] : undefined;
  }

  #bad(key: string, expected: string, value: unknown): ModelError {
    const came = Array.isArray(value) ? `a list of ${value.length}` : `${typeof value} ${String(value).slice(0, 60)}`;
    return new ModelError('BAD_METADATA', `Expected ${key} of ${this.path} to be ${expected} but it is ${came}.`);
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.#bad(key, 'a string', value);
  }

  boolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.#bad(key, 'true or false', value);
  }

  /** A finite number. */
  number(key: string): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw this.#bad(key, 'a finite number', value);
  }

  /** A whole number from `min` to `max`; throws MISSING_METADATA where it is absent and has no default. */
  count(key: string, range: { min: number; max: number; default?: number }): number {
    const value = this.number(key) ?? range.default;
    if (value === undefined) throw new ModelError('MISSING_METADATA', `${this.path} has no ${key} in its header.`);
    if (Number.isInteger(value) && value >= range.min && value <= range.max) return value;
    throw this.#bad(key, `a whole number from ${range.min} to ${range.max}`, value);
  }

  strings(key: string): string[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    throw this.#bad(key, 'a list of strings', value);
  }

  numbers(key: string): number[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => Number.isFinite(Number(item)) && typeof item !== 'string')) {
      return value.map(Number);
    }
    throw this.#bad(key, 'a list of numbers', value);
  }
}
