import type { AdapterLayout } from '../adapter/layout.js';
import type { ClientEnv } from '../client/env.js';
import { packBatch } from '../data/pack.js';
import type { TokenizedExample } from '../data/types.js';
import type { NativeTrainer } from '../native/binding.js';
import type { EvalJob, EvalOutcome } from './job.js';

/** Tokens scored in one call, unless one example alone has more; bounds the memory of an evaluation. */
const MAX_BATCH_TOKENS = 1024;

function* batches(examples: readonly TokenizedExample[]): Generator<[number, TokenizedExample[]]> {
  let first = 0;
  let group: TokenizedExample[] = [];
  let tokens = 0;
  for (const [i, example] of examples.entries()) {
    if (group.length > 0 && tokens + example.tokens.length > MAX_BATCH_TOKENS) {
      yield [first, group];
      first = i;
      group = [];
      tokens = 0;
    }
    group.push(example);
    tokens += example.tokens.length;
  }
  if (group.length > 0) yield [first, group];
}

function scoreBatch(
  trainer: NativeTrainer,
  group: readonly TokenizedExample[],
  adapter: boolean,
  put: (i: number, nll: number, targets: number) => void,
): void {
  const { nll } = trainer.evaluate(packBatch(group), { adapter, all: false });
  let at = 0;
  group.forEach(({ tokens, lossMask }, i) => {
    let sum = 0;
    let targets = 0;
    for (let t = 1; t < tokens.length; t++) {
      if (lossMask[t] !== 1) continue;
      sum += nll[at + t]!;
      targets++;
    }
    put(i, sum, targets);
    at += tokens.length;
  });
}

/**
 * Scores each example of the job token by token, batched in a fixed way. `baseLayout` is the adapter layout of the
 * trainer that scores the bare base.
 */
export function scoreExamples(job: EvalJob, env: ClientEnv, baseLayout: AdapterLayout): EvalOutcome {
  const started = performance.now();
  const trainer = env.trainer(job.adapter?.layout ?? baseLayout);
  if (job.adapter) trainer.setValues(job.adapter.values);
  const examples = job.indices.map((index) => env.example(index));
  const nll = new Float64Array(examples.length);
  const targets = new Int32Array(examples.length);
  for (const [first, group] of batches(examples)) {
    scoreBatch(trainer, group, job.adapter !== null, (i, sum, count) => {
      nll[first + i] = sum;
      targets[first + i] = count;
    });
  }
  const tokens = examples.reduce((sum, example) => sum + example.tokens.length, 0);
  return { nll, targets, tokens, seconds: (performance.now() - started) / 1000 };
}
