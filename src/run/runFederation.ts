import { resolve } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import type { RunProgress } from '../contracts/progress.js';
import { describeSummary } from '../data/index.js';
import { InterruptedError } from '../errors.js';
import type { Tap } from '../links/index.js';
import type { BaseModel, HubOptions } from '../model/index.js';
import { formatBytes } from '../report/format.js';
import { makeReportObserver } from '../report/observer.js';
import { RunStatus } from '../report/status.js';
import { type FinishedRun, finishRun } from '../server/finish.js';
import { runRounds } from '../server/loop.js';
import type { Federation, LoopHost } from '../server/types.js';
import { shellWord } from '../text.js';
import { publishAdapters, withTakeHomes } from './adapters.js';
import { estimateRun } from './estimate.js';
import type { SavedRun } from './folder.js';
import { memoryLimit, requireRoomForBase } from './memory.js';
import { makeMetrics } from './metrics.js';
import { type OpenedFederation, openFederation } from './open.js';
import { type OwnerFolder, startClients } from './owners.js';
import { maskPicture } from './picture.js';
import { type Prepared, prepare } from './prepare.js';
import { resumeState } from './resume.js';
import { checkSamples, sampleEnd, sampleRound } from './samples.js';
import { Stopwatch } from './stopwatch.js';
import { watchRun } from './watchRun.js';

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
  /** Sees every message between server and owners, encoded. */
  readonly tap?: Tap;
}

export interface RunResult {
  /** Absolute path of the run folder. */
  readonly dir: string;
  readonly config: RunConfig;
  readonly model: BaseModel;
  readonly owners: readonly OwnerFolder[];
  readonly metrics: RunMetrics;
}

/** What accompanies a run from its opening to its end. */
interface Session {
  readonly prepared: Prepared;
  readonly opened: OpenedFederation;
  readonly watch: Stopwatch;
  readonly status: RunStatus;
  /** Never throws: a display or a report that fails ends no run. */
  readonly show: (progress: RunProgress) => void;
  readonly observer: ReturnType<typeof makeReportObserver>;
}

function makeSession(prepared: Prepared, opened: OpenedFederation, watch: Stopwatch, options: RunOptions): Session {
  const { onProgress } = options;
  const observer = makeReportObserver({
    dir: opened.folder.dir,
    onWarning: (message) => (onProgress ? onProgress({ kind: 'warning', message }) : process.emitWarning(message)),
    write: (html) => opened.folder.write('report.html', html),
  });
  const status = new RunStatus();
  const show = (progress: RunProgress) => {
    status.update(progress);
    if (progress.kind === 'job') watch.train(progress.seconds);
    void observer.attempt('Showing progress', () => onProgress?.(progress));
  };
  return { prepared, opened, watch, status, show, observer };
}

/** Says what begins, or what is gone on with. */
async function begin({ prepared, opened, watch, show }: Session, resume: boolean): Promise<SavedRun | undefined> {
  const { config, model } = prepared;
  const { folder, partition, inputs } = opened;
  const descriptions = opened.owners.map(({ description }) => description);
  const saved = resume ? await resumeState(folder, inputs, config) : undefined;
  if (saved) {
    watch.goOn(saved);
    show({ kind: 'resumed', round: saved.loop.round });
  } else {
    folder.emit({ type: 'start', config, ...inputs, clients: startClients(opened.owners, config) });
  }
  const sum = (count: (owner: (typeof descriptions)[number]) => number) =>
    descriptions.reduce((total, owner) => total + count(owner), 0);
  const lost = sum(({ numTargetsLost }) => numTargetsLost);
  show({
    kind: 'prepared',
    config,
    model: model.name,
    owners: descriptions.length,
    examples: sum(({ train, valid, test }) => train.examples + valid.examples + test.examples),
    dropped: {
      long: sum(({ dropped }) => dropped.long),
      empty: sum(({ dropped }) => dropped.empty),
      refused: sum(({ dropped }) => dropped.refused),
      repeated: sum(({ dropped }) => dropped.repeated),
    },
    cut: sum(({ numCut }) => numCut),
    // Cut examples may be of any split, so the whole is that of all splits.
    shareLost: lost / Math.max(1, lost + sum(({ train, valid, test }) => train.targets + valid.targets + test.targets)),
    reading: describeSummary(partition.reading),
    leftOut: partition.left_out.map(({ id }) => id),
    ...(opened.firstExample === undefined ? {} : { firstExample: opened.firstExample }),
    unlabelled: partition.num_unlabelled,
    warnings: model.warnings,
    workers: opened.workers,
    threads: opened.threads,
    kernels: inputs.kernels,
  });
  return saved;
}

/** The part of a calibration's two seconds that is worth it before a run. */
const SHARE = 0.2;

/** Says what the run will take, where somebody watches: whatever is wrong with that ends no run. */
async function foretell({ prepared, opened, observer, show }: Session): Promise<void> {
  await observer.attempt('Estimating', async () => {
    const { federation, owners, workers, threads } = opened;
    const estimate = await estimateRun({ prepared, federation, owners, workers, threads, share: SHARE });
    show({ kind: 'estimate', estimate });
    const limit = memoryLimit();
    const { total } = estimate.memory;
    if (total > limit) {
      const message = `about ${formatBytes(total)} of memory are needed but this machine has ${formatBytes(limit)}; fedtune plan says what helps`;
      show({ kind: 'warning', message });
    }
  });
}

function hostOf({ prepared, opened, watch, show, observer }: Session, signal: AbortSignal): LoopHost {
  const { folder, inputs, link, grow } = opened;
  const keep = (grown: Federation | undefined) => {
    if (grown) opened.federation = grown;
    return grown;
  };
  return {
    link,
    signal,
    emit: (event) => folder.emit(event),
    progress: show,
    ...(grow ? { grow: async (loop) => keep(await grow(loop)) } : {}),
    checkpoint: async (loop) => {
      const events = await folder.syncEvents();
      await folder.saveState({ config: prepared.config, ...inputs, events, ...watch.read(), loop });
      await observer.attempt('Sampling answers', () => sampleRound(prepared, folder.dir, loop.round, opened));
      await observer.afterCheckpoint();
    },
  };
}

async function finish({ prepared, opened, watch, show, observer }: Session, finished: FinishedRun): Promise<RunResult> {
  const { folder, inputs, workers, threads, partition } = opened;
  const { config, model } = prepared;
  show({ kind: 'writing', dir: folder.dir });
  await publishAdapters(folder, prepared, finished);
  await observer.attempt('Drawing perfit.svg', async () => {
    const picture = maskPicture(finished);
    if (picture) await folder.write('perfit.svg', picture);
  });
  await observer.attempt('Sampling answers', () => sampleEnd(prepared, folder.dir, finished, partition.clients));
  const { seconds, trainSeconds } = watch.read();
  const { train, search, local, tune } = finished.state.totals;
  const metrics = makeMetrics(prepared, finished, {
    seconds,
    train_seconds: trainSeconds,
    tokens_per_second: seconds > 0 ? (train + search + local + tune) / seconds : 0,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
    kernels: inputs.kernels,
    workers,
    threads,
  });
  await folder.syncEvents();
  await folder.write('metrics.json', `${JSON.stringify(metrics, null, 2)}\n`);
  await observer.finish();
  const folders = new Map(partition.clients.map((client) => [client.id, client.folder]));
  // Who joined since has no folder here.
  const owners = opened.federation.clients.map(({ id }) => ({ id, folder: folders.get(id) ?? id }));
  return { dir: folder.dir, config, model, owners, metrics };
}

/** Shows how far downloads are. A display that fails ends none; the next thing that it is to show says why. */
function watchDownloads({ onProgress, signal }: RunOptions): HubOptions {
  return {
    ...(signal ? { signal } : {}),
    onDownload(progress) {
      try {
        onProgress?.({ kind: 'downloading', ...progress });
      } catch {}
    },
  };
}

/**
 * Runs a federation from its configuration to metrics.json and adapters, or resumes one, in the folder
 * `config.output_dir`: prepare, open, rounds, finish.
 *
 * Throws FedtuneError of every kind; RunError where the folder holds another run, is locked, damaged or cannot be
 * written; InterruptedError when `signal` fires, with the last round saved.
 */
export async function runFederation(options: RunOptions): Promise<RunResult> {
  const { config, resume = false, overwrite = false, signal = new AbortController().signal, tap } = options;
  const watch = new Stopwatch();
  let opened: OpenedFederation | undefined;
  let watching: ReturnType<typeof watchRun> | undefined;
  try {
    const hub = watchDownloads(options);
    const prepared = await prepare(config, hub);
    await checkSamples(prepared);
    requireRoomForBase(prepared.model.description, config.precision);
    const onStatus = (message: string) => options.onProgress?.({ kind: 'warning', message });
    const how = { resume, overwrite, signal, hub, onStatus, ...(tap ? { tap } : {}) };
    opened = await openFederation(prepared, resolve(config.output_dir), how);
    const session = makeSession(prepared, opened, watch, options);
    watching = watchRun(session);
    const saved = await begin(session, resume);
    // Owners in processes of their own share no base with this one.
    if (options.onProgress && !saved && config.runtime === 'threads') await foretell(session);
    const host = hostOf(session, signal);
    const { folder } = opened;
    const state = await runRounds(opened.federation, host, saved?.loop);
    const { federation } = opened;
    const finished = await withTakeHomes(folder, () => finishRun(federation, state, host));
    return await finish(session, finished);
  } catch (error) {
    // Before the run is open there is nothing to resume; what was interrupted says itself what is kept.
    if (!(error instanceof InterruptedError) || !opened) throw error;
    throw new InterruptedError(
      `Interrupted; every finished round is saved. Go on with: fedtune run --resume ${shellWord(config.output_dir)}`,
      { cause: error },
    );
  } finally {
    await watching?.end();
    await opened?.close();
  }
}
