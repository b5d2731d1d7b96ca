import { LosslessNumber } from 'lossless-json';
import type { Columns } from './types.js';

/** Thrown inside this folder for a row that does not fit; the reader counts it and names its line. */
export class RowError extends Error {}

export type Row = Readonly<Record<string, unknown>>;

/** Longest text of one field. What is longer is no example, and would only keep the tokenizer busy. */
const MAX_FIELD_CHARS = 1_000_000;

/** What a column can be. */
export type FieldName = keyof Columns;

/** The names by which each kind of column is known, best first. docs/data.md lists them. */
export const COLUMN_NAMES: Readonly<Record<FieldName, readonly string[]>> = {
  prompt: ['prompt', 'question', 'query', 'instruction', 'problem', 'user', 'human'],
  input: ['input', 'context'],
  system: ['system', 'system_prompt', 'system_message'],
  history: ['history'],
  answer: ['completion', 'response', 'answer', 'output', 'assistant', 'reply', 'target', 'solution'],
  messages: ['messages', 'conversations', 'conversation', 'chat', 'dialog', 'dialogue', 'turns', 'contents', 'items'],
  text: ['text', 'content'],
  weight: ['weight'],
  category: ['category'],
  owner: ['owner'],
  split: ['split'],
};

/** A value as text, or undefined where it is a list or an object. */
export function scalarText(value: unknown): string | undefined {
  if (value instanceof LosslessNumber) return value.value;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? undefined : String(value);
}

/** A field's text within its bounds. Throws RowError. */
export function checkedText(value: unknown, key: string): string {
  const text = scalarText(value);
  if (text === undefined) {
    throw new RowError(`"${key}" is ${Array.isArray(value) ? 'a list' : 'an object'}, not a text`);
  }
  if (text.length <= MAX_FIELD_CHARS) return text;
  throw new RowError(`"${key}" has ${text.length} characters, over ${MAX_FIELD_CHARS}`);
}

/** A row with the names of its columns, and which of them were looked at. */
export class RowView {
  readonly row: Row;
  readonly #columns: Columns;
  readonly #used = new Set<string>();

  constructor(row: Row, columns: Columns = {}) {
    this.row = row;
    this.#columns = columns;
  }

  /** Whether a column has a value in this row. */
  has(key: string): boolean {
    return Object.hasOwn(this.row, key) && this.row[key] !== undefined && this.row[key] !== null;
  }

  /** Columns that may hold this field: the one that is mapped, else those of the known names. */
  names(field: FieldName): readonly string[] {
    const mapped = this.#columns[field];
    if (mapped !== undefined) return typeof mapped === 'string' ? [mapped] : mapped;
    return COLUMN_NAMES[field];
  }

  isMapped(field: FieldName): boolean {
    return this.#columns[field] !== undefined;
  }

  /** The first column of that field with a value; an empty text counts where there is nothing better. */
  find(field: FieldName): string | undefined {
    const there = this.names(field).filter((key) => this.has(key));
    return there.find((key) => this.row[key] !== '') ?? there[0];
  }

  /** The value of a column, which then counts as used. */
  value(key: string): unknown {
    this.#used.add(key);
    return this.row[key];
  }

  /** Text of a column. Throws RowError where it is missing (or empty) and required. */
  text(key: string, required: boolean): string {
    const value = this.value(key);
    if (value === undefined || value === null) {
      if (required) throw new RowError(`"${key}" is missing`);
      return '';
    }
    const text = checkedText(value, key);
    if (required && text.trim() === '') throw new RowError(`"${key}" is empty`);
    return text;
  }

  /** A label without the space around it; lists of tags are joined. undefined where there is none. */
  label(key: string | undefined): string | undefined {
    if (key === undefined) return undefined;
    const value = this.value(key);
    const tags = Array.isArray(value) ? value : [value];
    const text = tags
      .map((tag) => scalarText(tag ?? '') ?? JSON.stringify(tag))
      .join(', ')
      .trim();
    return text === '' ? undefined : text;
  }

  /** Columns with a value that nothing looked at. */
  unused(): string[] {
    return Object.keys(this.row).filter((key) => !this.#used.has(key) && this.has(key) && this.row[key] !== '');
  }
}
