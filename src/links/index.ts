import type { RunConfig } from '../config/schema.js';
import type { Link } from './link.js';
import { createProcessesLink } from './processes.js';
import { createThreadsLink, type ThreadsOptions } from './threads.js';

export { decodeRequest, type EncodedMessage, encodeMessage, joinMessage } from './codec.js';
export { exchange } from './exchange.js';
export type { Answer, AtWork, Link, OwnerHome, Tap } from './link.js';
export { createProcessesLink } from './processes.js';
export { descriptionSchema } from './schema.js';
export { Slots } from './slots.js';

/** The link that the run file names. */
export function createLink(runtime: Exclude<RunConfig['runtime'], 'nats'>, options: ThreadsOptions): Link {
  if (runtime === 'threads') return createThreadsLink(options);
  const { model: _, ...rest } = options;
  return createProcessesLink(rest);
}
