import { availableParallelism } from 'node:os';

/**
 * How many workers and compute threads to use: no more than one thread a core in all, unless asked for. Workers come
 * first (clients are independent), but never more than there are clients at work in a round.
 */
export function divideCores(params: {
  readonly workers: number | null;
  readonly threads: number | null;
  readonly clientsPerRound: number;
  readonly cores?: number;
}): { workers: number; threads: number } {
  const cores = params.cores ?? availableParallelism();
  const workers =
    params.workers ?? Math.max(1, Math.min(params.clientsPerRound, Math.floor(cores / (params.threads ?? 1))));
  return { workers, threads: params.threads ?? Math.max(1, Math.floor(cores / workers)) };
}
