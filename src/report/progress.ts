import { createLogUpdate } from 'log-update';
import type { OwnerAtWork, RunEstimate, RunProgress } from '../contracts/progress.js';
import { shown } from '../text.js';
import { droppedReasons, formatBytes, formatSeconds, plural, shareLost } from './format.js';
import { RunStatus, type StatusNow } from './status.js';

/** The part of a stream that a display needs. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** What a run takes, in one line. */
export function estimateLine({ seconds, memory, bytes }: RunEstimate): string {
  const traffic = bytes.up + bytes.down;
  return (
    `about ${formatSeconds(seconds.total)}, ${formatBytes(memory.total)} of memory` +
    (traffic > 0 ? `, ${formatBytes(bytes.up)} up and ${formatBytes(bytes.down)} down` : '')
  );
}

type Prepared = Extract<RunProgress, { kind: 'prepared' }>;

/** Whose job; in asynchronous mode which of those handed out, as an owner may have more than one for a merge. */
const jobOf = ({ client, dispatch }: { readonly client: string; readonly dispatch?: number }): string =>
  dispatch === undefined ? shown(client) : `${shown(client)} (job ${dispatch})`;

/** Owners at work that have a bar of their own. */
const MAX_BARS = 8;
const BAR = 20;
/** Seconds between two lines of a log that only say how far the run is. */
const LOG_PAUSE = 10;

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, share) * BAR);
  return '\u2588'.repeat(full) + '\u2591'.repeat(BAR - full);
};

/** A terminal that does not know its size says 0. */
const widthOf = ({ columns }: Screen): number => columns || 80;

/** The screen as a terminal of a size. */
const sized = (screen: Screen): NodeJS.WritableStream =>
  ({
    isTTY: true,
    get columns() {
      return widthOf(screen);
    },
    get rows() {
      return screen.rows || 24;
    },
    write: (text: string) => screen.write(text),
  }) as unknown as NodeJS.WritableStream;

/** A line an owner at work: its name, a bar, and its steps. */
function workLines(owners: readonly OwnerAtWork[], width: number): string[] {
  const names = owners.slice(0, MAX_BARS).map(({ client }) => shown(client, Math.min(28, width - BAR - 24)));
  const longest = names.reduce((most, { length }) => Math.max(most, length), 0);
  const lines = names.map((name, i) => {
    const { steps, of } = owners[i]!;
    return `  ${name.padEnd(longest)} ${bar(steps / Math.max(1, of))} step ${Math.min(steps, of)} of ${of}`;
  });
  const more = owners.length - names.length;
  return more > 0 ? [...lines, `  and ${more} more at work`] : lines;
}

/**
 * Prints a run's progress: lines that stay, and below them, on a terminal, how far the run is and who is at work; in a log now and then
 * a line that says the first.
 */
export class ProgressDisplay {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #status: RunStatus;
  readonly #live: ReturnType<typeof createLogUpdate> | undefined;
  #shown = '';
  #downloadShown = Number.NEGATIVE_INFINITY;
  #logged: number;
  #scored: string | undefined;

  /** `now`: a clock in seconds. */
  constructor(screen: Screen, now: () => number = () => performance.now() / 1000) {
    this.#screen = screen;
    this.#now = now;
    this.#status = new RunStatus(now);
    this.#logged = now();
    if (screen.isTTY) this.#live = createLogUpdate(sized(screen), { showCursor: true });
  }

  /** One line that stays. */
  line(text: string): void {
    const below = this.#shown;
    this.#clear();
    this.#screen.write(`${text}\n`);
    if (below !== '') this.status(below);
  }

  #clear(): void {
    if (this.#shown !== '') this.#live?.clear();
    this.#shown = '';
  }

  /** Shows this below the lines, on a terminal: of each of its lines what the terminal has room for. */
  status(text: string): void {
    if (!this.#live) return;
    const width = widthOf(this.#screen) - 1;
    this.#shown = text;
    this.#live(
      text
        .split('\n')
        .map((line) => line.slice(0, width))
        .join('\n'),
    );
  }

  /** How far the run is, and who is at work. */
  #progress({ where, share, facts, atWork }: StatusNow): void {
    const head = `${where} ${bar(share)} ${facts.join(', ')}`;
    this.status([head, ...workLines(atWork, widthOf(this.#screen))].join('\n'));
  }

  /** The same in a log, which is not to be filled with it. */
  #log({ where, facts }: StatusNow): void {
    if (this.#live || this.#now() - this.#logged < LOG_PAUSE) return;
    this.line([where, ...facts].join(', '));
    this.#logged = this.#now();
  }

  /** Shows what a run is at, of this process or another. */
  show(now: StatusNow): void {
    if (now.scored !== undefined && now.scored !== this.#scored) {
      this.line(now.scored);
      this.#logged = this.#now();
    }
    this.#scored = now.scored;
    this.#progress(now);
    this.#log(now);
  }

  /** Ends what is shown below the lines. */
  close(): void {
    this.#clear();
  }

  #prepared(progress: Prepared): void {
    const { config, owners, examples, dropped, unlabelled, cut, warnings, workers, threads, kernels } = progress;
    this.line(
      `${progress.model}: ${plural(owners, 'owner')}, ${plural(examples, 'example')} in use, method ${config.method}, ` +
        `${plural(config.num_rounds, 'round')}; ${config.precision} on ${kernels}, ${plural(workers, 'worker')} of ${plural(threads, 'thread')}`,
    );
    for (const warning of warnings) this.line(warning);
    const why = droppedReasons(dropped, config);
    if (why.length > 0) this.line(`left out, of the examples: ${why.join(', ')}`);
    if (unlabelled > 0)
      this.line(`left out: ${plural(unlabelled, 'example')} without a label for partition: ${config.partition}`);
    if (cut > 0) {
      const share = shareLost(progress.shareLost);
      this.line(
        `cut at ${config.seq_length} tokens: ${plural(cut, 'example')}; ${share} of the target tokens are lost`,
      );
    }
    for (const line of progress.reading) this.line(line);
    const { leftOut, firstExample } = progress;
    if (leftOut.length > 0) {
      const names = leftOut.slice(0, 5).map((id) => shown(id));
      const more = leftOut.length > 5 ? ` and ${leftOut.length - 5} more` : '';
      this.line(
        `left out: ${plural(leftOut.length, 'owner')} with too few training examples: ${names.join(', ')}${more}`,
      );
    }
    if (firstExample !== undefined) this.line(`the first example, what is learnt in [[brackets]]:\n${firstExample}`);
  }

  update(progress: RunProgress): void {
    this.#status.update(progress);
    switch (progress.kind) {
      case 'prepared':
        this.#prepared(progress);
        return;
      case 'estimate':
        this.line(`plan: ${estimateLine(progress.estimate)}`);
        return;
      case 'downloading': {
        if (performance.now() - this.#downloadShown < 100) return;
        this.#downloadShown = performance.now();
        const share = progress.bytes / Math.max(1, progress.totalBytes);
        this.status(
          `downloading ${progress.file}: ${bar(share)} ${Math.floor(100 * share)} % of ${formatBytes(progress.totalBytes)}`,
        );
        return;
      }
      case 'resumed':
        this.line(`going on after round ${progress.round}`);
        return;
      case 'failed': {
        const next = progress.again ? 'trying again' : 'going on without it';
        this.line(`round ${progress.round}: ${jobOf(progress)} failed, ${next}: ${progress.message}`);
        return;
      }
      case 'warning':
        this.line(`warning: ${progress.message}`);
        return;
      case 'plan':
        return;
      case 'round':
      case 'job':
      case 'working':
      case 'evaluating':
      case 'evaluated':
      case 'tuning':
      case 'writing':
        this.show(this.#status.now);
    }
  }
}
