import type { Screen } from '../report/progress.js';

/** The outside world of a command; tests pass their own. */
export interface CliContext {
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
}
