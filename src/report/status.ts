import { type Evaluation, WHICH } from '../contracts/evaluation.js';
import type { OwnerAtWork, RunProgress } from '../contracts/progress.js';
import { formatSeconds, plural } from './format.js';
import type { LiveStatus } from './live.js';
import { TimeLeft } from './timeLeft.js';

/** What a run is at, as it is shown. */
export interface StatusNow {
  /** `round 3 of 20`. */
  readonly where: string;
  /** Of all rounds, how many are done, and of the one at hand what part: 0 .. 1. */
  readonly share: number;
  /** How many owners are done, how fast they are, how well they do and when the run will be over, as far as is known. */
  readonly facts: readonly string[];
  readonly atWork: readonly OwnerAtWork[];
  /** Mean perplexities after the last round that was scored, in a line. */
  readonly scored?: string;
  readonly live: LiveStatus;
}

function means({ macro, split }: Evaluation): string {
  const parts = WHICH.filter((which) => macro[which]).map((which) => `${which} ${macro[which]!.ppl.toFixed(3)}`);
  return `${split} perplexity: ${parts.join(', ')}`;
}

/** What a run is at, from what it tells of itself. */
export class RunStatus {
  readonly #timeLeft: TimeLeft;
  readonly #now: () => number;
  #what = 'preparing';
  #numRounds = 1;
  #round = 0;
  #roundsDone = 0;
  #jobs = { done: 0, of: 0, tokens: 0, began: 0 };
  #loss: number | undefined;
  #atWork: readonly OwnerAtWork[] = [];
  #tokensPerSecond: number | undefined;
  #scored: string | undefined;

  /** `now`: a clock in seconds. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#timeLeft = new TimeLeft(now);
  }

  #of(round: number): string {
    return `round ${round} of ${this.#numRounds}`;
  }

  get #share(): number {
    const { done, of } = this.#jobs;
    const part = this.#what === 'training' && of > 0 ? done / of : 0;
    return Math.min(1, (this.#roundsDone + part) / this.#numRounds);
  }

  /** Seconds; undefined while nothing is known yet. */
  get #secondsLeft(): number | undefined {
    const { seconds } = this.#timeLeft;
    return seconds !== undefined && Number.isFinite(seconds) ? seconds : undefined;
  }

  update(progress: RunProgress): void {
    this.#timeLeft.update(progress);
    switch (progress.kind) {
      case 'prepared':
        this.#numRounds = Math.max(1, progress.config.num_rounds);
        return;
      case 'resumed':
        this.#roundsDone = progress.round;
        this.#round = progress.round;
        return;
      case 'round':
        this.#what = 'training';
        this.#roundsDone = progress.round - 1;
        this.#round = progress.round;
        this.#jobs = { done: 0, of: progress.jobs, tokens: 0, began: this.#now() };
        return;
      case 'working':
        this.#atWork = progress.owners;
        return;
      case 'failed':
        this.#atWork = this.#atWork.filter(({ client }) => client !== progress.client);
        return;
      case 'job': {
        this.#atWork = this.#atWork.filter(({ client }) => client !== progress.client);
        const { done, of, tokens, began } = this.#jobs;
        this.#jobs = { done: done + 1, of: Math.max(of, done + 1), tokens: tokens + progress.tokens, began };
        this.#loss = progress.loss ?? this.#loss;
        const seconds = this.#now() - began;
        if (seconds > 0) this.#tokensPerSecond = this.#jobs.tokens / seconds;
        return;
      }
      case 'evaluating':
        this.#atWork = [];
        this.#what = 'scoring';
        this.#roundsDone = progress.round;
        return;
      case 'evaluated': {
        // What is left, where rounds are still to come.
        const left = this.#round > 0 && this.#round < this.#numRounds ? this.#secondsLeft : undefined;
        const when = left === undefined ? '' : ` (${formatSeconds(left)} left)`;
        this.#scored = `${this.#of(progress.evaluation.round)}: ${means(progress.evaluation)}${when}`;
        return;
      }
      case 'tuning':
        this.#what = `fine-tuning ${plural(progress.clients, 'owner')}`;
        return;
      case 'writing':
        this.#what = 'writing adapters';
    }
  }

  get #facts(): string[] {
    const { done, of } = this.#jobs;
    const left = this.#secondsLeft;
    return [
      this.#what === 'training' && of > 0 ? `${done} of ${plural(of, 'owner')}` : this.#what,
      ...(this.#tokensPerSecond === undefined ? [] : [`${Math.round(this.#tokensPerSecond)} tokens/s`]),
      ...(this.#loss === undefined ? [] : [`loss ${this.#loss.toFixed(3)}`]),
      ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
    ];
  }

  get now(): StatusNow {
    const [facts, share] = [this.#facts, this.#share];
    return {
      ...{ where: this.#of(this.#round), share, facts, atWork: this.#atWork },
      ...(this.#scored === undefined ? {} : { scored: this.#scored }),
      live: {
        text: [`Round ${this.#round} of ${this.#numRounds}`, ...facts].join(', '),
        share,
        round: `${this.#roundsDone} of ${plural(this.#numRounds, 'round')} done`,
      },
    };
  }
}
