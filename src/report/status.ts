import type { RunProgress } from '../contracts/progress.js';
import { formatSeconds, plural } from './format.js';
import type { LiveStatus } from './live.js';
import { TimeLeft } from './timeLeft.js';

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
  #tokensPerSecond: number | undefined;

  /** `now`: a clock in seconds. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#timeLeft = new TimeLeft(now);
  }

  get numRounds(): number {
    return this.#numRounds;
  }

  get round(): number {
    return this.#round;
  }

  /** Seconds; undefined while nothing is known yet. */
  get secondsLeft(): number | undefined {
    return this.#timeLeft.seconds;
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
      case 'job': {
        const { done, of, tokens, began } = this.#jobs;
        this.#jobs = { done: done + 1, of: Math.max(of, done + 1), tokens: tokens + progress.tokens, began };
        this.#loss = progress.loss ?? this.#loss;
        const seconds = this.#now() - began;
        if (seconds > 0) this.#tokensPerSecond = this.#jobs.tokens / seconds;
        return;
      }
      case 'evaluating':
        this.#what = 'scoring';
        this.#roundsDone = progress.round;
        return;
      case 'tuning':
        this.#what = `fine-tuning ${plural(progress.clients, 'owner')}`;
        return;
      case 'writing':
        this.#what = 'writing adapters';
    }
  }

  /** How many owners are done, how fast they are, how well they do and when the run will be over, as far as is known. */
  get facts(): string[] {
    const { done, of } = this.#jobs;
    const left = this.secondsLeft;
    return [
      this.#what === 'training' && of > 0 ? `${done} of ${plural(of, 'owner')}` : this.#what,
      ...(this.#tokensPerSecond === undefined ? [] : [`${Math.round(this.#tokensPerSecond)} tokens/s`]),
      ...(this.#loss === undefined ? [] : [`loss ${this.#loss.toFixed(3)}`]),
      ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
    ];
  }

  /** For the page. */
  get live(): LiveStatus {
    const { done, of } = this.#jobs;
    const part = this.#what === 'training' && of > 0 ? done / of : 0;
    return {
      text: [`Round ${this.#round} of ${this.#numRounds}`, ...this.facts].join(', '),
      share: Math.min(1, (this.#roundsDone + part) / this.#numRounds),
      round: `${this.#roundsDone} of ${plural(this.#numRounds, 'round')} done`,
    };
  }
}
