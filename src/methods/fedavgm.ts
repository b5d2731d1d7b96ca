import { z } from 'zod';
import { averaging } from './averaging.js';
import { server_lr } from './serverRate.js';

/** FedAvgM (arXiv 1909.06335): v = server_momentum * v + delta; theta += server_lr * v. */
export const fedavgm = averaging({
  id: 'fedavgm',
  summary: 'fedavg with momentum on the server.',
  capabilities: { gives: ['global'], aligned: true, rebasable: true, mutable: true },
  options: {
    server_lr,
    server_momentum: z.number().min(0).max(0.9999).default(0.9).describe('fedavgm: momentum of the server.'),
  },
  server({ layout, options }) {
    const rate = options.server_lr ?? 1;
    const momentum = options.server_momentum;
    let velocity = new Float32Array(layout.size);
    return {
      step(theta, mean) {
        velocity = velocity.map((v, p) => momentum * v + (mean[p]! - theta[p]!));
        return theta.map((value, p) => value + rate * velocity[p]!);
      },
      state: () => velocity,
      restore(state) {
        velocity = state as Float32Array<ArrayBuffer>;
      },
    };
  },
});
