import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import type { HubOptions } from '../model/index.js';
import { Base } from '../native/engine.js';
import { mergeMean } from '../native/merges.js';
import { divideCores } from '../runtime/cores.js';
import { shareExamples } from '../runtime/sharedExamples.js';
import type { ClientPool } from '../runtime/types.js';
import { createWorkerPool } from '../runtime/workerPool.js';
import { sampleSize } from '../server/sampling.js';
import { createStrategy } from '../server/strategies/index.js';
import type { Strategy, StrategyInit } from '../server/strategy.js';
import type { Federation } from '../server/types.js';
import { type PreparedRun, prepareRun } from './prepare.js';

async function makeStrategy(init: StrategyInit, file: string | null): Promise<Strategy> {
  if (file === null) return createStrategy(init);
  const module = await import(pathToFileURL(resolve(file)).href).catch((cause: unknown) => {
    throw new ConfigError(`Expected a strategy in ${file} but it cannot be loaded: ${(cause as Error).message}.`, {
      cause,
    });
  });
  if (typeof module.createStrategy !== 'function') {
    throw new ConfigError(
      `Expected ${file} to export a function createStrategy(init) but it exports ${Object.keys(module).join(', ') || 'nothing'}.`,
    );
  }
  return module.createStrategy(init);
}

async function makeFederation(prepared: PreparedRun): Promise<Federation> {
  const { config, clients, layout, initial } = prepared;
  const init: StrategyInit = {
    layout,
    initial,
    clients,
    seed: config.seed,
    config,
    mergeMean: (rows, fallback) => mergeMean(rows, fallback, availableParallelism()),
  };
  const withLocal = config.also_local && config.method !== 'local';
  return {
    config,
    clients,
    strategy: await makeStrategy(init, config.strategy),
    ...(withLocal
      ? { localStrategy: createStrategy({ ...init, config: { ...config, method: 'local', mutation: 'none' } }) }
      : {}),
  };
}

/** A run that can begin: nothing of it is wrong, and nothing is written yet. */
export interface Ready {
  /** When that began, on the clock of `performance.now`. */
  readonly started: number;
  readonly prepared: PreparedRun;
  readonly federation: Federation;
  readonly engine: Engine;
}

interface Engine {
  readonly base: Base;
  readonly pool: ClientPool;
  readonly threads: number;
}

function startEngine(prepared: PreparedRun): Engine {
  const { config, model, layout, clients } = prepared;
  const { description } = model;
  const { workers, threads } = divideCores({
    workers: config.workers,
    threads: config.threads,
    clientsPerRound: sampleSize(clients.length, config),
  });
  // Held by this thread, so that the weights are read once and errors show before any worker starts.
  const base = new Base({ description, precision: config.precision, kernels: config.kernels });
  const pool = createWorkerPool({
    workers,
    setup: {
      description,
      precision: config.precision,
      kernels: config.kernels,
      threads,
      checkpointing: config.checkpointing,
      dropout: config.lora_dropout,
      examples: shareExamples(prepared.tokenized),
      baseLayout: layout,
    },
  });
  return { base, pool, threads };
}

/**
 * Loads model, data, method and engine of a run. The caller closes the engine's pool and disposes its base.
 *
 * Throws ModelError, DataError, ConfigError, AdapterError or EngineError.
 */
export async function getReady(config: RunConfig, hub: HubOptions = {}): Promise<Ready> {
  const started = performance.now();
  const prepared = await prepareRun(config, hub);
  const federation = await makeFederation(prepared);
  return { started, prepared, federation, engine: startEngine(prepared) };
}
