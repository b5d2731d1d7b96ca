// A federated method of your own in one file: `fedtune run examples/own-strategy.yaml`.
//
// It averages like fedavg, but a client weighs the more, the worse it still does: weight = numTrain * loss ** power. The
// hooks are described in docs/methods.md ("A method of your own"), their types in src/server/strategy.ts.

const POWER = 1;

/** The last loss of a client's training, at least a little so that nobody's weight is 0. */
const lastLoss = ({ losses }) => Math.max(1e-6, losses.at(-1) ?? 1);

class LossWeighted {
  id = 'loss-weighted';
  #layout;
  #theta;
  #losses = {};

  constructor({ layout, initial }) {
    this.#layout = layout;
    this.#theta = initial.slice();
  }

  /** Hook 1: what each sampled client receives and does. */
  configure(context) {
    return context.clients.map((client) => ({
      client: client.id,
      tracks: [{ name: 'main', adapter: this.global(), phases: [context.trainPhase(client)] }],
      bytesDown: 4 * this.#layout.size,
    }));
  }

  /** Hook 2: merges the results, which come sorted by client id; a client that failed is absent. */
  aggregate(results, context) {
    const numTrain = new Map(context.clients.map((client) => [client.id, client.numTrain]));
    const rows = results.map(({ client, tracks: [main] }) => {
      this.#losses[client] = lastLoss(main);
      return { values: main.adapter.values, weight: numTrain.get(client) * this.#losses[client] ** POWER };
    });
    const total = rows.reduce((sum, { weight }) => sum + weight, 0);
    if (total > 0) {
      this.#theta = this.#theta.map(
        (_, p) => rows.reduce((sum, { values, weight }) => sum + weight * values[p], 0) / total,
      );
    }
    return { bytesUp: 4 * this.#layout.size * rows.length, metrics: { losses: { ...this.#losses } } };
  }

  /** Hook 3: the adapters that exist for one client now. */
  personalize() {
    return { global: this.global() };
  }

  /** The merged adapter; methods without one return undefined. */
  global() {
    return { layout: this.#layout, values: this.#theta, mask: null };
  }

  /** Hook 4: everything that the rest of the run needs, so that a killed run goes on to the same bits. */
  state() {
    return { json: { losses: { ...this.#losses } }, tensors: { theta: this.#theta } };
  }

  restore({ json, tensors }) {
    this.#losses = { ...json.losses };
    this.#theta = tensors.theta.slice();
  }
}

export function createStrategy(init) {
  return new LossWeighted(init);
}
