import type { HubOptions } from '../model/hub/index.js';
import type { DataSummary } from './summary.js';

export type Role = 'system' | 'user' | 'assistant' | 'tool';

/** A call of a tool as chat templates know it; `arguments` is an object or JSON text. */
export interface ToolCall {
  readonly type?: string;
  readonly id?: string;
  readonly function: { readonly name: string; readonly arguments: unknown };
}

export interface Message {
  readonly role: Role;
  readonly content: string;
  /** False: context that is not learnt (weight 0, a call of a tool). Only answers are learnt in any case. */
  readonly train?: boolean;
  readonly toolCalls?: readonly ToolCall[];
  /** Name of the tool that this is the result of. */
  readonly name?: string;
}

export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

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
  /** Which of several data sets it is of. */
  readonly domain?: string;
  /** Value of the column that `partition: column` goes by. */
  readonly label?: string;
  /** Where the data is already split. */
  readonly split?: Split;
  /** The whole conversation, where there is a system message or more than one turn. */
  readonly messages?: readonly Message[];
  /** Raw text without a prompt; every token is a target. */
  readonly text?: string;
  /** Prompt and completion already are in a chat format: control tokens of the base in them are meant. */
  readonly templated?: true;
}

export type DataFormat = 'alpaca' | 'dolly' | 'sharegpt' | 'messages' | 'completion' | 'text';

/** What a column of the data is, by the name that fedtune has for it. */
export interface Columns {
  readonly prompt?: string | undefined;
  /** One column or several, joined by a line end. */
  readonly input?: string | readonly string[] | undefined;
  readonly system?: string | undefined;
  readonly history?: string | undefined;
  readonly answer?: string | undefined;
  /** A conversation. */
  readonly messages?: string | undefined;
  readonly text?: string | undefined;
  /** 0: the row is not learnt; 1: it is. Another value is a bad row where the column is mapped, else no weight. */
  readonly weight?: string | undefined;
  readonly category?: string | undefined;
  readonly owner?: string | undefined;
  readonly split?: string | undefined;
}

/** A row that could not be used. */
export interface BadRow {
  readonly file: string;
  /** From 1; the line for JSONL and CSV, the number of the row for JSON and Parquet. */
  readonly line: number;
  readonly reason: string;
}

export interface ReadOptions extends HubOptions {
  /** What a row looks like. @default 'auto': from its keys */
  readonly format?: DataFormat | 'auto';
  /** Which columns are meant, where their names are not known. @default by their names */
  readonly columns?: Columns | null;
  /** Encoding of text files, a label of the WHATWG Encoding Standard. @default 'utf-8' */
  readonly encoding?: string;
  /** Column whose value becomes `label` of the examples. */
  readonly labelColumn?: string;
  /** What a bad row does. @default 'skip' */
  readonly onBadRow?: 'skip' | 'fatal';
  /** Ends downloading and reading with InterruptedError. */
  readonly signal?: AbortSignal;
  /** Called for each bad row that is skipped. */
  readonly reportBadRow?: (row: BadRow) => void;
  /** Called while files are read, with bytes read so far and in all. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly totalBytes: number }) => void;
  /** Called with what is strange about the source but no reason to refuse it: the hub could not be asked, ... */
  readonly reportWarning?: (sentence: string) => void;
  /** Git revision on the hub. @default 'main' */
  readonly revision?: string;
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
  /** What was read, used and left out, as plain data. */
  readonly summary: DataSummary;
}

/** Token ids of one example with its loss mask. */
export interface TokenizedExample {
  readonly id: string;
  readonly tokens: Int32Array;
  /** 1 where the token is a target; the first token never is. */
  readonly lossMask: Uint8Array;
}
