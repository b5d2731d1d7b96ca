import { performance } from 'node:perf_hooks';
import { trainerModules } from '../adapter/shapes.js';
import { packBatch, type TokenizedExample } from '../data/index.js';
import type { PackedBatch } from '../native/binding.js';
import { Base, Trainer } from '../native/engine.js';
import { randomStream } from '../random.js';
import type { Prepared } from './prepare.js';

/** How fast this machine trains and scores, all workers together, and what it takes in memory. */
export interface Calibration {
  /** Sequences a second. */
  readonly trained: number;
  readonly scored: number;
  /** Bytes of the base, and of what one worker trains with. */
  readonly base: number;
  readonly worker: number;
  /** Resident bytes of the process beside these. */
  readonly rest: number;
}

/** A sequence of the mean length, and how many of its tokens are targets. */
export interface MeanSequence {
  readonly tokens: number;
  readonly targets: number;
}

/** What is measured at most; a step that takes longer is made once. */
const SECONDS = { train: 1.5, score: 0.5 };
/** Calls of libuv's pool that run at once. */
const MAX_AT_ONCE = 4;
/** Tokens that are scored in one call (src/client/score.ts). */
const SCORED_TOKENS = 1024;

function batchOf(count: number, { tokens, targets }: MeanSequence, vocabSize: number): PackedBatch {
  const random = randomStream(1, 'calibration');
  const length = Math.max(2, Math.round(tokens));
  const learnt = Math.max(1, Math.min(length - 1, Math.round(targets)));
  const examples: TokenizedExample[] = Array.from({ length: count }, (_, i) => ({
    id: `${i}`,
    tokens: Int32Array.from({ length }, () => Math.floor(random() * vocabSize)),
    lossMask: new Uint8Array(length).fill(1, length - learnt),
  }));
  return packBatch(examples);
}

/** Calls a second, after one that warms up where there is time for it. */
async function rateOf(call: () => Promise<unknown>, seconds: number): Promise<number> {
  const clock = () => performance.now() / 1000;
  const begun = clock();
  await call();
  const first = clock() - begun;
  if (first > seconds) return 1 / first;
  let calls = 0;
  const from = clock();
  do {
    await call();
    calls++;
  } while (clock() - begun < seconds);
  return calls / (clock() - from);
}

/**
 * Trains and scores made-up sequences of the mean length for about two seconds, as many workers at once as a run has. Throws
 * EngineError.
 */
export async function calibrate(
  { config, model, layout }: Prepared,
  sequence: MeanSequence,
  { workers, threads }: { readonly workers: number; readonly threads: number },
  share = 1,
): Promise<Calibration> {
  const { precision, kernels, lora_dropout: dropout, checkpointing, batch_size } = config;
  using base = new Base({ description: model.description, precision, kernels });
  const rest = Math.max(0, process.memoryUsage().rss - base.bytes);
  const modules = trainerModules(layout);
  const atOnce = Math.min(workers, MAX_AT_ONCE);
  const trainers = Array.from(
    { length: atOnce },
    () => new Trainer({ base, modules, dropout, threads, checkpointing }),
  );
  try {
    const { vocabSize } = model.description;
    const batch = batchOf(batch_size, sequence, vocabSize);
    const scored = Math.max(1, Math.floor(SCORED_TOKENS / Math.max(2, sequence.tokens)));
    const scoreBatch = batchOf(scored, sequence, vocabSize);
    const together = (work: (trainer: Trainer) => Promise<unknown>) => () => Promise.all(trainers.map(work));
    const steps = await rateOf(
      together((trainer) => trainer.stepAsync([batch], { learningRate: 1e-6 })),
      SECONDS.train * share,
    );
    const worker = trainers[0]!.bytes;
    const scores = await rateOf(
      together((trainer) => trainer.evaluateAsync(scoreBatch)),
      SECONDS.score * share,
    );
    return {
      trained: steps * batch_size * workers,
      scored: scores * scored * workers,
      base: base.bytes,
      worker,
      rest,
    };
  } finally {
    for (const trainer of trainers) trainer.dispose();
  }
}
