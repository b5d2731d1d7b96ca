import type { Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState } from './averaging.js';

/** FedAvgM (arXiv 1909.06335): v = server_momentum * v + delta; theta += server_lr * v. */
class FedavgmStrategy extends AveragingStrategy {
  #velocity: Float32Array = new Float32Array(this.layout.size);

  protected override serverStep(mean: Float32Array): Float32Array {
    const { theta } = this;
    const rate = this.config.server_lr ?? 1;
    const momentum = this.config.server_momentum;
    this.#velocity = this.#velocity.map((v, p) => momentum * v + (mean[p]! - theta[p]!));
    return theta.map((value, p) => value + rate * this.#velocity[p]!);
  }

  protected override extraState(): ExtraState {
    return { velocity: this.#velocity };
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#velocity = tensors.velocity as Float32Array;
  }
}

export function createFedavgm(init: StrategyInit): Strategy {
  return new FedavgmStrategy('fedavgm', init);
}
