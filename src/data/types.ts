export type Role = 'system' | 'user' | 'assistant';

export interface Message {
  readonly role: Role;
  readonly content: string;
}

export type Split = 'train' | 'valid' | 'test';

/** One row of a data set, whatever its format was. */
export interface Example {
  /** `<file relative to the data's folder>:<row, from 1>`; unique in a data set and equal on every machine. */
  readonly id: string;
  readonly instruction: string;
  /** Context of the instruction; '' where there is none. */
  readonly input: string;
  readonly output: string;
  readonly category?: string;
  /** Whose example this is, where the data is already divided (natural partition). */
  readonly owner?: string;
  /** Where the data is already split. */
  readonly split?: Split;
  /** The whole conversation, where there is a system message or more than one turn. */
  readonly messages?: readonly Message[];
  /** Raw text without a prompt; every token is a target. */
  readonly text?: string;
}

export type DataFormat = 'alpaca' | 'dolly' | 'sharegpt' | 'messages' | 'completion' | 'text';

/** A row that could not be used. */
export interface BadRow {
  readonly file: string;
  /** From 1; the line for JSONL and CSV, the number of the row for JSON and Parquet. */
  readonly line: number;
  readonly reason: string;
}

export interface ReadOptions {
  /** What a row looks like. @default 'auto': from its keys */
  readonly format?: DataFormat | 'auto';
  /** What a bad row does. @default 'skip' */
  readonly onBadRow?: 'skip' | 'fatal';
  /** Called for each bad row that is skipped. */
  readonly reportBadRow?: (row: BadRow) => void;
  /** Git revision on the hub. @default 'main' */
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly token?: string;
  readonly fetch?: typeof fetch;
  /** Folder of the embedded data. @default `datasets/` of this package */
  readonly datasetsDir?: string;
}

/** A data set in memory. */
export interface LoadedData {
  readonly examples: readonly Example[];
  /** Files read, absolute, in order. */
  readonly files: readonly string[];
  readonly numBadRows: number;
  /** The first bad rows (at most 100). */
  readonly badRows: readonly BadRow[];
}

/** Token ids of one example with its loss mask. */
export interface TokenizedExample {
  readonly id: string;
  readonly tokens: Int32Array;
  /** 1 where the token is a target; the first token never is. */
  readonly lossMask: Uint8Array;
}
