/** A row as the file has it, not yet understood. */
export interface RawRow {
  /** From 1: the (first) line for JSONL and CSV, the number of the row otherwise. */
  readonly line: number;
  /** From 1, where one line holds several rows. */
  readonly part?: number;
  readonly value?: unknown;
  /** Why the row could not be read; `value` is absent then. */
  readonly error?: string;
  /** What was done to read it, where it is not what the file plainly says. */
  readonly note?: string;
}

/** A file to read rows from. */
export interface RowSource {
  readonly path: string;
  /** A label of the WHATWG Encoding Standard. */
  readonly encoding: string;
  /** Called with the number of bytes that were read since the last call; for a progress line. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export type RowReader = (source: RowSource) => AsyncGenerator<RawRow>;

/** Longest line of a JSONL file: far above any example, far below what would fill the memory. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Longest JSON value that is read in one piece: JavaScript strings end near 512 MiB. */
export const MAX_WHOLE_BYTES = 400 * 1024 * 1024;
