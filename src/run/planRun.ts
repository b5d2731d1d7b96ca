import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config/schema.js';
import type { RunEstimate } from '../contracts/progress.js';
import { ConfigError } from '../errors.js';
import type { HubOptions } from '../model/index.js';
import { estimateRun, requireRoom } from './estimate.js';
import { requireRoomForBase } from './memory.js';
import { openFederation } from './open.js';
import { prepare } from './prepare.js';

export interface PlanOptions {
  readonly config: RunConfig;
  readonly signal?: AbortSignal;
  readonly hub?: HubOptions;
}

export interface PlannedRun {
  readonly estimate: RunEstimate;
  /** Name of the base. */
  readonly model: string;
  readonly workers: number;
  readonly threads: number;
  readonly kernels: string;
}

/**
 * What a run of this configuration takes: its data is read, dealt out and tokenised in a temporary folder, and about two seconds are
 * trained and scored. Nothing is left behind. Throws what a run throws before its first round, and ConfigError MEMORY where it
 * does not fit into this machine.
 */
export async function planRun({ config, hub = {}, signal }: PlanOptions): Promise<PlannedRun> {
  if (config.runtime === 'nats') {
    throw new ConfigError(
      'Expected a run on this machine but runtime is nats: what owners on machines of their own take is not known here.',
    );
  }
  const begun = performance.now();
  const prepared = await prepare(config, hub);
  requireRoomForBase(prepared.model.description, config.precision);
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-plan-'));
  try {
    const stop = signal ?? new AbortController().signal;
    const opened = await openFederation(prepared, dir, { resume: false, overwrite: true, signal: stop, hub });
    try {
      const { federation, owners, workers, threads, inputs } = opened;
      const opening = (performance.now() - begun) / 1000;
      const estimate = await estimateRun({ prepared, federation, owners, workers, threads, opening });
      requireRoom(estimate, prepared, workers);
      return { estimate, model: prepared.model.name, workers, threads, kernels: inputs.kernels };
    } finally {
      await opened.close();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
