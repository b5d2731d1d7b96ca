import { z } from 'zod';
import { averaging } from './averaging.js';

/** FedProx (arXiv 1812.06127): fedavg whose local loss has prox_mu / 2 * |theta - received|^2. */
export const fedprox = averaging({
  id: 'fedprox',
  summary: 'fedavg with a pull to the received adapter in the local loss.',
  capabilities: { gives: ['global'], aligned: true, robust: true, rebasable: true, mutable: true },
  options: { prox_mu: z.number().min(0).default(0.01).describe('fedprox: pull to the received adapter.') },
  client: ({ options }) => ({ training: () => ({ proxMu: options.prox_mu }) }),
});
