import { z } from 'zod';
import type { Capabilities, ServerInit } from './method.js';
import type { ServerHooks } from './serverHooks.js';
import { server_lr } from './serverRate.js';

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

export const adaptiveOptions = {
  server_lr,
  server_tau: z.number().positive().default(1e-3).describe('fedadagrad, fedadam, fedyogi: added to the square root.'),
};
export const ADAPTIVE: Capabilities = { gives: ['global'], aligned: true, rebasable: true, mutable: true };

interface Options {
  readonly server_lr: number | null;
  readonly server_tau: number;
}

interface Moments {
  readonly first: Float32Array;
  readonly second: Float32Array;
}

/** theta += server_lr * m / (sqrt(v) + server_tau), entry by entry; m starts at 0 and v at server_tau^2. */
export function adaptiveServer(rule: ServerRule): (init: ServerInit<Options>) => ServerHooks {
  return ({ layout, options: { server_lr: rate = null, server_tau: tau } }) => {
    let moments: Moments = {
      first: new Float32Array(layout.size),
      second: new Float32Array(layout.size).fill(tau * tau),
    };
    return {
      step(theta, mean) {
        const delta = mean.map((value, p) => value - theta[p]!);
        const first = moments.first.map((m, p) => rule.first(m, delta[p]!));
        const second = moments.second.map((v, p) => rule.second(v, delta[p]!));
        moments = { first, second };
        return theta.map((value, p) => value + ((rate ?? DEFAULT_RATE) * first[p]!) / (Math.sqrt(second[p]!) + tau));
      },
      state: () => moments,
      restore(state) {
        moments = state as Moments;
      },
    };
  };
}
