import { resolve } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import type { RunProgress } from '../contracts/progress.js';
import { InterruptedError, RunError } from '../errors.js';
import { makeReportObserver, type ReportObserver } from '../report/observer.js';
import type { FinishedRun } from '../server/finish.js';
import { runLoop } from '../server/loop.js';
import type { LoopHost } from '../server/types.js';
import { sha256 } from '../sha256.js';
import { writeAdapters } from './adapters.js';
import { RunFolder, type SavedRun } from './folder.js';
import { makeMetrics } from './metrics.js';
import { maskPicture } from './picture.js';
import type { PreparedRun } from './prepare.js';
import { getReady, type Ready } from './ready.js';
import { checkSameConfig, checkSameInputs, type RunInputs } from './resume.js';
import { writeScores } from './scores.js';

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

function partitionDocument(prepared: PreparedRun): string {
  const ids = (indices: readonly number[]) => indices.map((index) => prepared.tokenized[index]!.id);
  const clients = prepared.clients.map(({ id, train, valid, test }) => ({
    id,
    folder: prepared.folders.get(id),
    train: ids(train),
    valid: ids(valid),
    test: ids(test),
    categories: prepared.categories.get(id),
  }));
  return `${JSON.stringify({ version: 1, kind: prepared.config.partition, num_dropped: prepared.numDropped, clients }, null, 1)}\n`;
}

class RunSession {
  readonly #folder: RunFolder;
  readonly #options: RunOptions;
  readonly #ready: Ready;
  readonly #observer: ReportObserver;
  #before = 0;
  #trainSeconds = 0;

  constructor(folder: RunFolder, options: RunOptions, ready: Ready) {
    this.#folder = folder;
    this.#options = options;
    this.#ready = ready;
    const { onProgress } = options;
    this.#observer = makeReportObserver({
      dir: folder.dir,
      onWarning: (message) => (onProgress ? onProgress({ kind: 'warning', message }) : process.emitWarning(message)),
      write: (page) => folder.write('report.html', page),
    });
  }

  #seconds(): number {
    return this.#before + (performance.now() - this.#ready.started) / 1000;
  }

  #progress(progress: RunProgress): void {
    if (progress.kind === 'job') this.#trainSeconds += progress.seconds;
    void this.#observer.attempt('Showing progress', () => this.#options.onProgress?.(progress));
  }

  async #loadState(inputs: RunInputs, config: RunConfig): Promise<SavedRun | undefined> {
    const newest = await this.#folder.loadState();
    if (!newest) {
      await this.#folder.dropEvents();
      return undefined;
    }
    checkSameConfig(newest.config, config);
    checkSameInputs(newest, inputs, config.kernels);
    await this.#folder.checkFile('partition.json', newest.partitionSha256);
    const saved = await this.#stateFor(newest, config);
    await this.#folder.checkEvents(saved.events);
    await this.#folder.write('config.yaml', dumpConfig(config));
    await this.#folder.dropStatesAfter(saved.loop.round);
    await this.#folder.cutEvents();
    this.#before = saved.seconds;
    this.#trainSeconds = saved.trainSeconds;
    if (inputs.kernels !== saved.kernels) {
      this.#folder.emit({ type: 'kernels', before: saved.kernels, after: inputs.kernels });
    }
    this.#progress({ kind: 'resumed', round: saved.loop.round });
    return saved;
  }

  /** The last round of a run knows no next one; a run that grew does it again, with a next round to prepare for. */
  async #stateFor(newest: SavedRun, config: RunConfig): Promise<SavedRun> {
    const { round } = newest.loop;
    const ended = round > 0 && round === newest.config.num_rounds;
    if (!ended || config.num_rounds === round) return newest;
    const before = await this.#folder.loadState(round - 1);
    if (before) return before;
    throw new RunError(
      'STATE_DAMAGED',
      `A run that grows does its last round again but the state before round ${round} is missing. Put it back, or start the run anew.`,
    );
  }

  async run(): Promise<RunResult> {
    const { config } = this.#options;
    const { prepared, federation, engine } = this.#ready;
    const folder = this.#folder;
    const partition = partitionDocument(prepared);
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
      config,
      model: prepared.model.name,
      owners: prepared.clients.length,
      examples: prepared.tokenized.length,
      dropped: prepared.numDropped,
      unlabelled: prepared.numUnlabelled,
      badRows: prepared.numBadRows,
      warnings: prepared.model.warnings,
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
        const events = await folder.syncEvents();
        await folder.saveState({
          config,
          ...inputs,
          events,
          seconds: this.#seconds(),
          trainSeconds: this.#trainSeconds,
          loop,
        });
        await this.#observer.afterCheckpoint();
      },
    };
    const finished = await runLoop(federation, host, saved?.loop);
    return this.#write(finished);
  }

  async #write(finished: FinishedRun): Promise<RunResult> {
    const { prepared, engine } = this.#ready;
    const folder = this.#folder;
    this.#progress({ kind: 'writing', dir: folder.dir });
    await writeAdapters(folder, prepared, finished);
    folder.requireOwnership();
    await writeScores(folder.dir, prepared, finished);
    await this.#observer.attempt('Drawing perfit.svg', async () => {
      const picture = maskPicture(finished);
      if (picture) await folder.write('perfit.svg', picture);
    });
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
    await this.#observer.finish();
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
  // A resume asks for the folder first; a new run touches it only when model, data, method and engine are known to be fine.
  let folder = options.resume ? await RunFolder.open(dir) : undefined;
  let ready: Ready | undefined;
  try {
    ready = await getReady(config, {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onDownload(progress) {
        try {
          options.onProgress?.({ kind: 'downloading', ...progress });
        } catch {
          // A display that fails ends no download; the next thing that it is to show says why.
        }
      },
    });
    folder ??= await RunFolder.create(dir, config, options.overwrite);
    return await new RunSession(folder, options, ready).run();
  } catch (error) {
    // Before the first round there is nothing to resume; what was interrupted says itself what is kept.
    if (error instanceof InterruptedError && ready !== undefined) {
      throw new InterruptedError(
        `Interrupted; every finished round is saved. Go on with: fedtune run --resume ${config.output_dir}`,
      );
    }
    throw error;
  } finally {
    await ready?.engine.pool.close();
    ready?.engine.base.dispose();
    await folder?.close();
  }
}
