import { ADAPTIVE, adaptiveOptions, adaptiveServer, BETA_1, BETA_2 } from './adaptiveServer.js';
import { averaging } from './averaging.js';

/** FedYogi (arXiv 2003.00295): as fedadam with v -= .01 * delta^2 * sign(v - delta^2). */
export const fedyogi = averaging({
  id: 'fedyogi',
  summary: 'fedavg with Yogi on the server.',
  capabilities: ADAPTIVE,
  options: adaptiveOptions,
  server: adaptiveServer({
    first: (m, delta) => BETA_1 * m + (1 - BETA_1) * delta,
    second: (v, delta) => v - (1 - BETA_2) * delta * delta * Math.sign(v - delta * delta),
  }),
});
