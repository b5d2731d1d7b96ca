import type { Adapter } from '../adapter/layout.js';
import { deriveSeed } from '../random.js';
import { exampleStream } from './batches.js';
import type { ClientEnv } from './env.js';
import type { ClientJob, ClientResult, Track, TrackResult } from './job.js';
import { searchAdapter } from './search.js';
import { trainAdapter } from './train.js';

function runTrack(env: ClientEnv, job: ClientJob, track: Track): TrackResult {
  let adapter: Adapter = track.adapter;
  let meanGradient: Float32Array | null = null;
  const losses: number[] = [];
  const tokens = { train: 0, search: 0, targets: 0 };
  let trainings = 0;
  for (const phase of track.phases) {
    if (phase.kind === 'search') {
      const found = searchAdapter(env, job, track.name, phase, adapter);
      adapter = found.adapter;
      tokens.search += found.tokens;
      tokens.targets += found.targets;
      continue;
    }
    const purpose = `train/${trainings++}`;
    const trained = trainAdapter({
      env,
      phase,
      adapter,
      stream: exampleStream(job.trainIndices, (index) => env.example(index), job.seed, purpose),
      seed: deriveSeed(job.seed, purpose),
    });
    adapter = { ...adapter, values: trained.values };
    meanGradient = trained.meanGradient ?? meanGradient;
    for (const loss of trained.losses) losses.push(loss);
    tokens.train += trained.tokens;
    tokens.targets += trained.targets;
  }
  return { name: track.name, adapter, losses, meanGradient, tokens };
}

/**
 * Does one client's round: every track, phase after phase, on the worker's engine. The result depends on the job and the
 * data only, never on what ran before. `now` (seconds) times it.
 */
export function runClientJob(job: ClientJob, env: ClientEnv, now: () => number = () => 0): ClientResult {
  const start = now();
  const tracks = job.tracks.map((track) => runTrack(env, job, track));
  return { client: job.client, round: job.round, tracks, seconds: now() - start };
}
