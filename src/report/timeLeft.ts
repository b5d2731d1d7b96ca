import type { RunProgress, WorkPlan } from '../contracts/progress.js';

type Activity = 'train' | 'score';

interface Phase {
  readonly activity: Activity;
  readonly round: number;
  readonly began: number;
}

interface Measured {
  readonly seconds: number;
  readonly units: number;
}

/** From this round on seconds are measured together; before it they also hold what happens once. */
const STEADY_ROUND = 2;

const sum = (units: readonly number[], from: number): number => units.slice(from).reduce((all, one) => all + one, 0);

/**
 * Time left of a run, from its plan and from what training and scoring took so far. Merging and saving a state count with the
 * training.
 */
export class TimeLeft {
  readonly #now: () => number;
  #plan: WorkPlan = { train: [], score: [], tune: 0, finalScore: 0 };
  /** Rounds that were trained, and the last one that was scored. */
  #done = { train: 0, score: -1 };
  #phase: Phase | undefined;
  /** Rounds that were done before this run went on. */
  #resumed = 0;
  #first: Partial<Record<Activity, Measured>> = {};
  #steady: Partial<Record<Activity, Measured>> = {};
  #jobs = { count: 0, of: 1, tokens: 0, search: 0 };
  /** What was left when it was last known. */
  #left: { readonly seconds: number; readonly at: number } | undefined;

  /** `now`: a clock in seconds. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
  }

  /** Seconds; undefined while nothing is known yet. */
  get seconds(): number | undefined {
    return this.#left && Math.max(0, this.#left.seconds - (this.#now() - this.#left.at));
  }

  /** Learns from what a run tells of itself; what says nothing of the time is passed over. */
  update(progress: RunProgress): void {
    const { kind } = progress;
    if (kind === 'resumed') this.#resumed = progress.round;
    else if (kind === 'plan') this.begin(progress.plan, this.#resumed);
    else if (kind === 'round') this.round(progress.round, progress.jobs);
    else if (kind === 'job') this.trained(progress.tokens, progress.search);
    else if (kind === 'evaluating') this.scoring(progress.round);
    else if (kind === 'evaluated') this.scored(progress.evaluation.round);
    else if (kind === 'tuning') this.end();
  }

  /** The work begins; `rounds` are done already. */
  begin(plan: WorkPlan, rounds: number): void {
    this.#plan = plan;
    this.#done = { train: rounds, score: rounds === 0 ? -1 : rounds };
  }

  /** A round begins, with so many jobs of training. */
  round(round: number, jobs: number): void {
    if (this.#phase?.activity !== 'train' || this.#phase.round !== round) this.#enter('train', round);
    this.#jobs = { count: 0, of: Math.max(1, jobs), tokens: 0, search: 0 };
  }

  /** A job is done, with so many tokens in all and so many of a search. */
  trained(tokens: number, search: number): void {
    const { count, of, tokens: before, search: searched } = this.#jobs;
    this.#jobs = { count: Math.min(of, count + 1), of, tokens: before + tokens, search: searched + search };
    if (this.#phase?.activity !== 'train' || (this.#steady.train ?? this.#first.train) !== undefined) return;
    // In the first round, from the jobs that are done.
    const seconds = this.#now() - this.#phase.began;
    this.#estimate({ seconds: (seconds * of) / this.#jobs.count, units: this.#unitsOf(this.#phase) }, seconds);
  }

  /** Scoring begins: after a round, or of everything at the end. */
  scoring(round: number): void {
    if (round <= this.#done.score) this.end();
    else this.#enter('score', round);
  }

  /** The scoring after a round is over. */
  scored(round: number): void {
    if (round < this.#plan.train.length) this.#enter('train', round + 1);
    else this.#leave();
  }

  /** All rounds are over: what is left is fine-tuning and the last scores. */
  end(): void {
    this.#leave();
  }

  #enter(activity: Activity, round: number): void {
    this.#leave();
    this.#phase = { activity, round, began: this.#now() };
  }

  #leave(): void {
    const phase = this.#phase;
    if (phase === undefined) return;
    this.#phase = undefined;
    const { activity, round, began } = phase;
    this.#done = { ...this.#done, [activity]: round };
    const units = this.#unitsOf(phase);
    if (units <= 0) return;
    const taken = this.#now() - began;
    if (round >= STEADY_ROUND) {
      const { seconds, units: before } = this.#steady[activity] ?? { seconds: 0, units: 0 };
      this.#steady[activity] = { seconds: seconds + taken, units: before + units };
    } else {
      // A search happens once, as a rule; a token of it costs what one of training does.
      const { tokens, search } = this.#jobs;
      const trained = activity === 'train' && tokens > 0 ? (tokens - search) / tokens : 1;
      this.#first[activity] = { seconds: taken * trained, units };
    }
    const train = this.#steady.train ?? this.#first.train;
    if (train !== undefined) this.#estimate(train, 0);
  }

  #unitsOf({ activity, round }: Phase): number {
    return (activity === 'train' ? this.#plan.train[round - 1] : this.#plan.score[round]) ?? 0;
  }

  /** `elapsed`: seconds of the phase at hand. */
  #estimate(train: Measured, elapsed: number): void {
    const { train: rounds, score: scores, tune, finalScore } = this.#plan;
    const { train: trained, score: scored } = this.#done;
    const perTrain = train.seconds / train.units;
    const score = this.#steady.score ?? this.#first.score;
    // Forward alone is about a third of a step.
    const perScore = score === undefined ? perTrain / 3 : score.seconds / score.units;
    const seconds =
      (sum(rounds, trained) + tune) * perTrain + (sum(scores, scored + 1) + finalScore) * perScore - elapsed;
    this.#left = { seconds, at: this.#now() };
  }
}
