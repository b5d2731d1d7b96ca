import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dumpConfig } from '../config/dump.js';
import type { RunConfig } from '../config/schema.js';
import { ConfigError, InterruptedError } from '../errors.js';
import { Base, mergeMean } from '../native/engine.js';
import { divideCores } from '../runtime/cores.js';
import { shareExamples } from '../runtime/sharedExamples.js';
import type { ClientPool } from '../runtime/types.js';
import { createWorkerPool } from '../runtime/workerPool.js';
import type { FinishedRun } from '../server/finish.js';
import { runLoop } from '../server/loop.js';
import { sampleSize } from '../server/sampling.js';
import { createStrategy } from '../server/strategies/index.js';
import type { Strategy, StrategyInit } from '../server/strategy.js';
import type { Federation, LoopHost, Progress } from '../server/types.js';
import { writeAdapters } from './adapters.js';
import { RunFolder, type SavedRun } from './folder.js';
import { makeMetrics, type RunMetrics, scoreLines } from './metrics.js';
import { maskPicture } from './picture.js';
import { type PreparedRun, prepareRun } from './prepare.js';
import { checkSameConfig, checkSameInputs } from './resume.js';

/** Live progress of a run, for a display. */
export type RunProgress =
  | {
      readonly kind: 'prepared';
      readonly prepared: PreparedRun;
      readonly workers: number;
      readonly threads: number;
      readonly kernels: string;
    }
  | { readonly kind: 'resumed'; readonly round: number }
  | { readonly kind: 'writing'; readonly dir: string }
  | Progress;

export interface RunOptions {
  /** Complete configuration (`parseConfig`, `loadConfig`). */
  readonly config: RunConfig;
  /** Go on with the run in `config.output_dir`. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in `config.output_dir`. @default false */
  readonly overwrite?: boolean;
  /** Ends the run at the last saved round with InterruptedError. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
}

export interface RunResult {
  /** Absolute path of the run folder. */
  readonly dir: string;
  readonly metrics: RunMetrics;
  readonly prepared: PreparedRun;
  readonly finished: FinishedRun;
}

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

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function partitionDocument(prepared: PreparedRun): string {
  const ids = (indices: readonly number[]) => indices.map((index) => prepared.tokenized[index]!.id);
  const clients = prepared.clients.map(({ id, train, valid, test }) => ({
    id,
    folder: prepared.folders.get(id),
    train: ids(train),
    valid: ids(valid),
    test: ids(test),
  }));
  return `${JSON.stringify({ version: 1, kind: prepared.config.partition, num_dropped: prepared.numDropped, clients }, null, 1)}\n`;
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

class RunSession {
  readonly #folder: RunFolder;
  readonly #options: RunOptions;
  readonly #started = performance.now();
  #before = 0;
  #trainSeconds = 0;

  constructor(folder: RunFolder, options: RunOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  #seconds(): number {
    return this.#before + (performance.now() - this.#started) / 1000;
  }

  #progress(progress: RunProgress): void {
    if (progress.kind === 'job') this.#trainSeconds += progress.seconds;
    this.#options.onProgress?.(progress);
  }

  async #loadState(inputs: Parameters<typeof checkSameInputs>[1], config: RunConfig): Promise<SavedRun | undefined> {
    const newest = await this.#folder.loadState();
    if (!newest) {
      await this.#folder.cutEvents(0);
      return undefined;
    }
    checkSameConfig(newest.config, config);
    checkSameInputs(newest, inputs);
    await this.#folder.checkFile('partition.json', newest.partitionSha256);
    await this.#folder.write('config.yaml', dumpConfig(config));
    let saved = newest;
    // The last round of a run knows no next one; a run that grew does it again, with a next round to prepare for.
    if (
      config.num_rounds > newest.config.num_rounds &&
      newest.loop.round === newest.config.num_rounds &&
      newest.loop.round > 0
    ) {
      saved = (await this.#folder.loadState(newest.loop.round - 1)) ?? newest;
      await this.#folder.dropStatesAfter(saved.loop.round);
    }
    await this.#folder.cutEvents(saved.eventBytes);
    this.#before = saved.seconds;
    this.#progress({ kind: 'resumed', round: saved.loop.round });
    return saved;
  }

  async run(prepared: PreparedRun): Promise<RunResult> {
    const { config } = this.#options;
    const folder = this.#folder;
    const partition = partitionDocument(prepared);
    const engine = startEngine(prepared);
    try {
      const inputs = {
        partitionSha256: sha256(partition),
        modelSha256: prepared.model.sha256,
        dataSha256: prepared.dataSha256,
        kernels: engine.base.kernels,
      };
      const saved = this.#options.resume ? await this.#loadState(inputs, config) : undefined;
      await folder.write('partition.json', partition);
      this.#progress({
        kind: 'prepared',
        prepared,
        workers: engine.pool.workers,
        threads: engine.threads,
        kernels: inputs.kernels,
      });
      if (!saved)
        folder.emit({
          type: 'start',
          config,
          ...inputs,
          clients: prepared.clients.map(({ id, numTrain }) => ({ id, numTrain })),
        });
      const host: LoopHost = {
        pool: engine.pool,
        emit: (event) => folder.emit(event),
        progress: (progress) => this.#progress(progress),
        signal: this.#options.signal ?? new AbortController().signal,
        checkpoint: async (loop) => {
          const eventBytes = await folder.syncEvents();
          await folder.saveState({ config, ...inputs, eventBytes, seconds: this.#seconds(), loop });
        },
      };
      const finished = await runLoop(await makeFederation(prepared), host, saved?.loop);
      return await this.#write(prepared, finished, engine);
    } finally {
      await engine.pool.close();
      engine.base.dispose();
    }
  }

  async #write(prepared: PreparedRun, finished: FinishedRun, engine: Engine): Promise<RunResult> {
    const folder = this.#folder;
    this.#progress({ kind: 'writing', dir: folder.dir });
    await writeAdapters(folder.dir, prepared, finished);
    await folder.write('scores.jsonl', scoreLines(prepared, finished));
    const picture = maskPicture(finished);
    if (picture) await folder.write('perfit.svg', picture);
    const { totals } = finished.state;
    const trained = totals.train + totals.search + totals.local + totals.tune;
    const seconds = this.#seconds();
    const metrics = makeMetrics(prepared, finished, {
      seconds,
      train_seconds: this.#trainSeconds,
      tokens_per_second: seconds > 0 ? trained / seconds : 0,
      peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
      kernels: engine.base.kernels,
      workers: engine.pool.workers,
      threads: engine.threads,
    });
    await folder.syncEvents();
    await folder.write('metrics.json', `${JSON.stringify(metrics, null, 2)}\n`);
    return { dir: folder.dir, metrics, prepared, finished };
  }
}

/**
 * Runs a federation from its configuration to metrics.json and adapters, or resumes one, in the folder
 * `config.output_dir`.
 *
 * Throws FedtuneError of every kind; RunError where the folder holds another run, is locked, damaged or cannot be
 * written; InterruptedError when `signal` fires, with the last round saved.
 */
export async function runFederation(options: RunOptions): Promise<RunResult> {
  const { config } = options;
  const dir = resolve(config.output_dir);
  // A new run touches the disk only when model and data are known to be fine.
  const early = options.resume ? undefined : await prepareRun(config);
  const folder = early ? await RunFolder.create(dir, config, options.overwrite) : await RunFolder.open(dir);
  try {
    const prepared = early ?? (await prepareRun(config));
    return await new RunSession(folder, options).run(prepared);
  } catch (error) {
    if (error instanceof InterruptedError) {
      throw new InterruptedError(
        `Interrupted; every finished round is saved. Go on with: fedtune run --resume ${config.output_dir}`,
      );
    }
    throw error;
  } finally {
    await folder.close();
  }
}
