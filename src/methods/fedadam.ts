import { ADAPTIVE, adaptiveOptions, adaptiveServer, BETA_1, BETA_2 } from './adaptiveServer.js';
import { averaging } from './averaging.js';

/** FedAdam (arXiv 2003.00295): m = .9 m + .1 delta; v = .99 v + .01 delta^2; no bias correction. */
export const fedadam = averaging({
  id: 'fedadam',
  summary: 'fedavg with Adam on the server.',
  capabilities: ADAPTIVE,
  options: adaptiveOptions,
  server: adaptiveServer({
    first: (m, delta) => BETA_1 * m + (1 - BETA_1) * delta,
    second: (v, delta) => BETA_2 * v + (1 - BETA_2) * delta * delta,
  }),
});
