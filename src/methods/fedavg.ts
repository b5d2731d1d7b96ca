import { averaging } from './averaging.js';

/** FedIT: the weighted mean of A and of B, as the all-ones case of the parameter-wise merge. */
export const fedavg = averaging({
  id: 'fedavg',
  summary: 'The weighted mean of the clients’ factors.',
  capabilities: { gives: ['global'], aligned: true, robust: true, rebasable: true, mutable: true },
  options: {},
});
