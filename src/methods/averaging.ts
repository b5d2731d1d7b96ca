import { averagingClient, type ClientHooks } from './averagingClient.js';
import { AveragingServer } from './averagingServer.js';
import type { Method, MethodInit, OptionsOf, ServerInit, Shape } from './method.js';
import type { FactorRule, ServerHooks } from './serverHooks.js';

/** A method that averages factors, by where it differs from fedavg. */
export interface AveragingMethod<Options extends Shape, Id extends string>
  extends Pick<Method<Options, Id>, 'id' | 'summary' | 'capabilities' | 'options' | 'turn'> {
  /** Which factors are trained and which are averaged. @default both */
  readonly factors?: FactorRule;
  server?(init: ServerInit<OptionsOf<Options>>): ServerHooks;
  // biome-ignore lint/suspicious/noExplicitAny: what a client keeps is between its own hooks.
  client?(init: MethodInit<OptionsOf<Options>>): ClientHooks<any>;
}

/**
 * Makes a method out of fedavg and small hooks: the server keeps one merged adapter, sends it (perhaps mutated) to the
 * sampled clients, which train it, and merges what they return entry by entry (perhaps robustly). Mutation and robust
 * merging are the run file's and need nothing of the method but its capabilities.
 */
export function averaging<Options extends Shape, const Id extends string>(
  method: AveragingMethod<Options, Id>,
): Method<Options, Id> {
  const { id, summary, capabilities, options, factors = {} } = method;
  return {
    id,
    summary,
    capabilities,
    options,
    ...(method.turn && { turn: method.turn }),
    server: (init) => new AveragingServer(init, method.server?.(init) ?? {}, factors, capabilities.rebasable === true),
    client: (init) => averagingClient(init, method.client?.(init) ?? {}, factors),
  };
}
