import type { Phase, TrackResult } from '../../client/job.js';
import { FedtuneError } from '../../errors.js';
import type { ClientInfo, RoundContext, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';
import { loadByClient, saveByClient } from './perClient.js';

/**
 * SCAFFOLD (arXiv 1910.06378) for any local optimizer: clients see g + c - c_i; c_i becomes the mean of the raw gradients
 * of the round (option II where the optimizer is plain SGD) and c moves by the sum of the changes over all N clients.
 */
class ScaffoldStrategy extends AveragingStrategy {
  readonly #numClients: number;
  #global: Float32Array;
  #own = new Map<string, Float32Array>();

  constructor(init: StrategyInit) {
    super('scaffold', init);
    this.#numClients = init.clients.length;
    this.#global = new Float32Array(this.layout.size);
  }

  protected override phases(client: ClientInfo, context: RoundContext): Phase[] {
    const own = this.#own.get(client.id);
    const gradientOffset = this.#global.map((c, p) => c - (own?.[p] ?? 0));
    return [context.trainPhase(client, { gradientOffset, wantMeanGradient: true })];
  }

  protected override learn({ results }: MergedRound): Readonly<Record<string, unknown>> {
    const change = new Float64Array(this.layout.size);
    for (const { client, main } of results) {
      if (main.meanGradient === null) {
        throw new FedtuneError('MISSING_GRADIENT', `Expected client ${client.id} to return its mean gradient.`);
      }
      const own = this.#own.get(client.id);
      for (let p = 0; p < change.length; p++) change[p]! += main.meanGradient[p]! - (own?.[p] ?? 0);
      this.#own.set(client.id, main.meanGradient);
    }
    this.#global = this.#global.map((c, p) => c + change[p]! / this.#numClients);
    return { controlNorm: Math.sqrt(this.#global.reduce((sum, c) => sum + c * c, 0)) };
  }

  /** The global control variate travels beside the adapter. */
  protected override bytesDown(client: ClientInfo, round: number): number {
    return 2 * super.bytesDown(client, round);
  }

  /** So does the change of the client's own. */
  protected override bytesUp(client: ClientInfo, main: TrackResult, round: number): number {
    return 2 * super.bytesUp(client, main, round);
  }

  protected override extraState(): ExtraState {
    return { control: this.#global, ...saveByClient('control', this.#own) };
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#global = tensors.control as Float32Array;
    this.#own = loadByClient<Float32Array>('control', tensors);
  }
}

export function createScaffold(init: StrategyInit): Strategy {
  return new ScaffoldStrategy(init);
}
