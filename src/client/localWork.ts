import type { Adapter } from '../adapter/layout.js';
import { DataError } from '../errors.js';
import type { OptimizerState, Track, TrackResult } from '../methods/work.js';
import { deriveSeed } from '../random.js';
import { exampleStream } from './batches.js';
import type { ClientEnv } from './env.js';
import type { ExampleList } from './examples.js';
import { searchAdapter } from './search.js';
import { trainAdapter } from './train.js';

/** What local work is done with. */
export interface WorkInput {
  readonly env: ClientEnv;
  /** The client's training examples. */
  readonly examples: ExampleList;
  /** Orders examples and seeds dropout. */
  readonly seed: number;
  /** What the optimizers ended with before, by track; the results then have what they end with now. @default all fresh */
  readonly optimizers?: Readonly<Record<string, OptimizerState>> | undefined;
}

function runTrack(track: Track, input: WorkInput): TrackResult {
  const { env, examples, seed, optimizers } = input;
  let optimizer = optimizers?.[track.name];
  let adapter: Adapter = track.adapter;
  let meanGradient: Float32Array | null = null;
  const losses: number[][] = [];
  const tokens = { train: 0, search: 0, targets: 0 };
  let trainings = 0;
  for (const phase of track.phases) {
    if (phase.kind === 'search') {
      const found = searchAdapter(input, track.name, phase, adapter);
      adapter = found.adapter;
      // Moments are of the entries that were trained; now they are others.
      optimizer = undefined;
      tokens.search += found.tokens;
      tokens.targets += found.targets;
      continue;
    }
    const purpose = `train/${trainings++}`;
    const trained = trainAdapter({
      env,
      phase,
      adapter,
      stream: exampleStream(examples, seed, purpose),
      seed: deriveSeed(seed, purpose),
      optimizer,
    });
    if (optimizers !== undefined) optimizer = trained.optimizer();
    adapter = { ...adapter, values: trained.values };
    meanGradient = trained.meanGradient ?? meanGradient;
    losses.push(trained.losses);
    tokens.train += trained.tokens;
    tokens.targets += trained.targets;
  }
  return {
    name: track.name,
    adapter,
    losses: losses.flat(),
    meanGradient,
    tokens,
    ...(optimizer ? { optimizer } : {}),
  };
}

/**
 * Does one client's local work: every track, phase after phase, on the thread's engine. The result depends on tracks, examples
 * and seed only, never on what ran before. Throws DataError NO_EXAMPLES.
 */
export function runTracks(tracks: readonly Track[], input: WorkInput): TrackResult[] {
  if (input.examples.count === 0) {
    throw new DataError(
      'NO_EXAMPLES',
      'Expected examples to train on but this owner has none that fit into seq_length.',
    );
  }
  return tracks.map((track) => runTrack(track, input));
}
