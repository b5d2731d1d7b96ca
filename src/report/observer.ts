import { join } from 'node:path';
import { FedtuneError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { reportHtml } from './page/index.js';
import { readRecord } from './record.js';

/** Milliseconds between two reports of a run that goes on, at least, and in units of what writing one takes. */
const PAUSE = 30_000;
const SHARE = 50;

/** Watches a run. Nothing that it does throws or rejects: what fails is told of once, and the run goes on. */
export interface ReportObserver {
  /** Brings report.html up to date, now and then. */
  afterCheckpoint(): Promise<void>;
  /** Writes the report of the finished run. */
  finish(): Promise<void>;
  /** Begins something else at once that no result depends on (a picture, a display); `what` names it where it fails. */
  attempt(what: string, work: () => unknown): Promise<void>;
}

export interface ReportObserverOptions {
  /** Run folder. */
  readonly dir: string;
  /** Gets a sentence the first time that a thing fails. Where this throws too, Node's own warning takes its place. */
  readonly onWarning: (message: string) => unknown;
  /** Puts the page into the folder. @default atomically, whoever holds the folder's lock */
  readonly write?: (html: string) => Promise<unknown>;
  /** Milliseconds between two reports of a run that goes on, at least. @default 30,000 */
  readonly pause?: number;
}

function reasonOf(error: unknown): string {
  if (error instanceof FedtuneError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** The observer of a run that keeps its report.html up to date. */
export function makeReportObserver(options: ReportObserverOptions): ReportObserver {
  const { dir, onWarning, pause = PAUSE, write = (html) => writeAtomic(join(dir, 'report.html'), html) } = options;
  const told = new Set<string>();
  let next = performance.now() + pause;

  const warn = async (what: string, error: unknown): Promise<void> => {
    if (told.has(what)) return;
    told.add(what);
    const message = `${what} failed; the run goes on without. ${reasonOf(error)}`;
    try {
      await onWarning(message);
    } catch {
      process.emitWarning(message);
    }
  };
  const attempt = async (what: string, work: () => unknown): Promise<void> => {
    try {
      await work();
    } catch (error) {
      await warn(what, error);
    }
  };
  const report = () => attempt('Writing report.html', async () => write(reportHtml(await readRecord(dir))));
  return {
    attempt,
    finish: report,
    async afterCheckpoint() {
      const begun = performance.now();
      if (begun < next) return;
      await report();
      const now = performance.now();
      next = now + Math.max(pause, SHARE * (now - begun));
    },
  };
}
