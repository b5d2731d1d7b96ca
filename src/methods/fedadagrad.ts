import { ADAPTIVE, adaptiveOptions, adaptiveServer } from './adaptiveServer.js';
import { averaging } from './averaging.js';

/** FedAdagrad (arXiv 2003.00295): v += delta^2; theta += eta * delta / (sqrt(v) + tau). */
export const fedadagrad = averaging({
  id: 'fedadagrad',
  summary: 'fedavg with Adagrad on the server.',
  capabilities: ADAPTIVE,
  options: adaptiveOptions,
  server: adaptiveServer({ first: (_m, delta) => delta, second: (v, delta) => v + delta * delta }),
});
