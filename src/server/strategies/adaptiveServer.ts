import type { StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState } from './averaging.js';

/** How an adaptive server turns delta = mean - theta into a step (Reddi et al., arXiv 2003.00295, algorithm 2). */
export interface ServerRule {
  /** m from the old m and delta. */
  readonly first: (m: number, delta: number) => number;
  /** v from the old v and delta (squared: delta, never m). */
  readonly second: (v: number, delta: number) => number;
}

/** Share of the old first moment in fedadam and fedyogi. */
export const BETA_1 = 0.9;
/** Share of the old second moment in fedadam and fedyogi. */
export const BETA_2 = 0.99;

const DEFAULT_RATE = 1e-2;

/** theta += server_lr * m / (sqrt(v) + server_tau), entry by entry. */
export class AdaptiveServerStrategy extends AveragingStrategy {
  readonly #rule: ServerRule;
  #first: Float32Array;
  #second: Float32Array;

  constructor(id: string, init: StrategyInit, rule: ServerRule) {
    super(id, init);
    this.#rule = rule;
    this.#first = new Float32Array(this.layout.size);
    this.#second = new Float32Array(this.layout.size);
  }

  protected override serverStep(mean: Float32Array): Float32Array {
    const { theta } = this;
    const rate = this.config.server_lr ?? DEFAULT_RATE;
    const tau = this.config.server_tau;
    const delta = mean.map((value, p) => value - theta[p]!);
    this.#first = this.#first.map((m, p) => this.#rule.first(m, delta[p]!));
    this.#second = this.#second.map((v, p) => this.#rule.second(v, delta[p]!));
    return theta.map((value, p) => value + (rate * this.#first[p]!) / (Math.sqrt(this.#second[p]!) + tau));
  }

  protected override extraState(): ExtraState {
    return { first: this.#first, second: this.#second };
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#first = tensors.first as Float32Array;
    this.#second = tensors.second as Float32Array;
  }
}
