import type { Evaluation } from '../contracts/evaluation.js';
import { WHICH } from '../contracts/evaluation.js';
import type { RunEstimate, RunProgress } from '../contracts/progress.js';
import { shown } from '../text.js';
import { droppedReasons, formatBytes, formatSeconds, plural, shareLost } from './format.js';
import { TimeLeft } from './timeLeft.js';

/** The part of a stream that a display needs. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

function means({ macro, split }: Evaluation): string {
  const parts = WHICH.filter((which) => macro[which]).map((which) => `${which} ${macro[which]!.ppl.toFixed(3)}`);
  return `${split} perplexity: ${parts.join(', ')}`;
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

/** Prints a run's progress: lines that stay, and on a terminal one live line with the time left. */
export class ProgressDisplay {
  readonly #screen: Screen;
  readonly #timeLeft = new TimeLeft();
  #rounds = 1;
  #round = 0;
  #live = false;
  #downloadShown = Number.NEGATIVE_INFINITY;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** One line that stays. */
  line(text: string): void {
    this.#clear();
    this.#screen.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#live) this.#screen.write('\r\u001b[2K');
    this.#live = false;
  }

  /** The live line, on a terminal. */
  status(text: string): void {
    if (!this.#screen.isTTY) return;
    const left = this.#timeLeft.seconds;
    const line = left === undefined ? text : `${text}, ${formatSeconds(left)} left`;
    this.#screen.write(`\r\u001b[2K${line.slice(0, (this.#screen.columns ?? 80) - 1)}`);
    this.#live = true;
  }

  /** Ends the live line. */
  close(): void {
    this.#clear();
  }

  #prepared(progress: Prepared): void {
    const { config, owners, examples, dropped, unlabelled, cut, warnings, workers, threads, kernels } = progress;
    this.#rounds = Math.max(1, config.num_rounds);
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

  #evaluated(evaluation: Evaluation): void {
    const left = this.#round > 0 && this.#round < this.#rounds ? this.#timeLeft.seconds : undefined;
    const when = left === undefined ? '' : ` (${formatSeconds(left)} left)`;
    this.line(`round ${evaluation.round} of ${this.#rounds}: ${means(evaluation)}${when}`);
  }

  update(progress: RunProgress): void {
    this.#timeLeft.update(progress);
    switch (progress.kind) {
      case 'prepared':
        this.#prepared(progress);
        return;
      case 'estimate':
        this.line(`plan: ${estimateLine(progress.estimate)}`);
        return;
      case 'plan':
        return;
      case 'downloading': {
        if (performance.now() - this.#downloadShown < 100) return;
        this.#downloadShown = performance.now();
        const share = Math.floor((100 * progress.bytes) / Math.max(1, progress.totalBytes));
        this.status(`downloading ${progress.file}: ${share} % of ${formatBytes(progress.totalBytes)}`);
        return;
      }
      case 'resumed':
        this.#round = progress.round;
        this.line(`going on after round ${progress.round}`);
        return;
      case 'round':
        this.#round = progress.round;
        this.status(`round ${progress.round} of ${progress.numRounds}`);
        return;
      case 'job': {
        const loss = progress.loss === undefined ? '' : `, loss ${progress.loss.toFixed(3)}`;
        this.status(`round ${progress.round} of ${this.#rounds}: ${jobOf(progress)} done${loss}`);
        return;
      }
      case 'failed': {
        const next = progress.again ? 'trying again' : 'going on without it';
        this.line(`round ${progress.round}: ${jobOf(progress)} failed, ${next}: ${progress.message}`);
        return;
      }
      case 'evaluating':
        this.status(`round ${progress.round}: scoring`);
        return;
      case 'evaluated':
        this.#evaluated(progress.evaluation);
        return;
      case 'stopped':
        this.line(
          `stopped after round ${progress.round} of ${this.#rounds}: validation was best after round ${progress.best}`,
        );
        return;
      case 'tuning':
        this.status(`fine-tuning ${plural(progress.clients, 'owner')}`);
        return;
      case 'writing':
        this.status('writing adapters');
        return;
      case 'warning':
        this.line(`warning: ${progress.message}`);
    }
  }
}
