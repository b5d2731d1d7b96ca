import type { Screen } from '../report/progress.js';

/** The outside world of a command; tests pass their own. */
export interface CliContext {
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** What questions are read from. */
  readonly stdin?: NodeJS.ReadableStream;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
}
