/** A row as the file has it, not yet understood. */
export interface RawRow {
  /** From 1: the line for JSONL and CSV, the number of the row otherwise. */
  readonly line: number;
  readonly value?: unknown;
  /** Why the row could not be read; `value` is absent then. */
  readonly error?: string;
}

/** Longest line of a JSONL file: far above any example, far below what would fill the memory. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Largest file that is read in one piece (JSON, text): JavaScript strings end near 512 MiB. */
export const MAX_WHOLE_BYTES = 400 * 1024 * 1024;
