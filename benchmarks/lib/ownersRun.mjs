import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CACHE, library } from './paths.mjs';
import { makeRandom } from './random.mjs';
import { cpuSeconds, median } from './stats.mjs';

const now = () => performance.now() / 1000;

/** Rows of random letters, so that a token is a byte: for every owner those of its steps, and two each to score. */
function writeRows(path, { owners, batch, localSteps, length }) {
  const random = makeRandom(5);
  const letters = (count) => Array.from({ length: count }, () => String.fromCharCode(97 + random.below(26))).join('');
  const lines = [];
  for (let owner = 0; owner < owners; owner++) {
    for (const [split, count] of Object.entries({ train: batch * localSteps, valid: 2, test: 2 })) {
      for (let i = 0; i < count; i++) {
        lines.push(JSON.stringify({ text: letters(2 * length), owner: `owner-${owner}`, split }));
      }
    }
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
}

function configOf(settings, dir) {
  const { model, method, owners, rounds, localSteps, batch, length, workers, threads, rank, checkpointing } = settings;
  return {
    ...{ model, method, seed: 1, data: join(dir, 'rows.jsonl'), output_dir: join(dir, 'run') },
    ...{ seq_length: length, on_long: 'truncate', num_rounds: rounds, local_steps: localSteps, batch_size: batch },
    ...{ lora_r: rank, lora_alpha: 2 * rank, learning_rate: 1e-4, eval_every: 1 },
    ...(checkpointing ? { checkpointing } : {}),
    ...{ workers: Math.min(workers, owners), threads: Math.max(1, Math.floor(threads / Math.min(workers, owners))) },
  };
}

/** Times of a run's rounds by its own progress, and what its display would say to be left after the first. */
async function makeWatch() {
  const { TimeLeft } = await library('report/timeLeft.js');
  const left = new TimeLeft();
  const times = { begun: [], lastJob: [], merged: [], evaluated: [], tokens: [], cpu: [] };
  let said;
  const onProgress = (progress) => {
    left.update(progress);
    const { kind, round } = progress;
    if (kind === 'round') {
      times.begun[round] = now();
      times.cpuBegun = process.cpuUsage();
    }
    if (kind === 'job') {
      times.lastJob[round] = now();
      times.tokens[round] = (times.tokens[round] ?? 0) + progress.tokens;
    }
    if (kind === 'evaluating') {
      times.merged[round] = now();
      times.cpu[round] = cpuSeconds(times.cpuBegun);
    }
    if (kind !== 'evaluated') return;
    times.evaluated[progress.evaluation.round] = now();
    if (progress.evaluation.round === 1) said = { seconds: left.seconds, at: now() };
  };
  return { times, onProgress, said: () => said };
}

/**
 * A whole run, from rows to adapters, of owners with equal work: seconds of a later round up to its merge, of scoring and saving
 * after it, tokens that were trained in it, and the error of the time left after the first round.
 */
export async function ownersRun(settings) {
  const { parseConfig } = await library('config/parse.js');
  const { runFederation } = await library('run/runFederation.js');
  const dir = mkdtempSync(join(CACHE, 'owners-'));
  try {
    writeRows(join(dir, 'rows.jsonl'), settings);
    const { times, onProgress, said } = await makeWatch();
    await runFederation({ config: parseConfig(configOf(settings, dir)), onProgress });
    const end = now();
    const { begun, lastJob, merged, tokens, cpu } = times;
    const later = Array.from({ length: settings.rounds - 1 }, (_, i) => i + 2);
    const of = (value) => median(later.map(value));
    const actual = end - said().at;
    return {
      round_seconds: of((round) => merged[round] - begun[round]),
      round_cpu_seconds: of((round) => cpu[round]),
      merge_seconds: of((round) => merged[round] - lastJob[round]),
      after_seconds: of((round) => (begun[round + 1] ?? times.evaluated[round]) - merged[round]),
      round_tokens: tokens.at(-1),
      said_seconds: said().seconds,
      actual_seconds: actual,
      time_left_error: said().seconds / actual - 1,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
