import { fileURLToPath } from 'node:url';
import { runJson } from '../peers/python.mjs';
import { makeCase } from './cases.mjs';
import { bestPeak } from './machine.mjs';
import { rates, runOurs } from './ours.mjs';
import { randomModel } from './randomModel.mjs';
import { sources } from './sourcesPart.mjs';
import { fitLine, median, sum } from './stats.mjs';

const PROBE = fileURLToPath(new URL('probeRun.mjs', import.meta.url));
const probe = (name, settings) => runJson(process.execPath, [PROBE, name, JSON.stringify(settings)]);

const say = (text) => console.error(`  ${text}`);

/**
 * A federation on random sequences: equal work for every client. Rounds are timed without loading. `alone`: the same steps
 * on the engine alone.
 */
async function federation(settings) {
  const {
    clients,
    rounds,
    localSteps,
    batch = 4,
    length = 128,
    workers = 2,
    threads,
    warmRounds = 0,
    alone = false,
    checkpointing = false,
    model,
  } = settings;
  const testCase = await makeCase('federation', {
    clients,
    rounds: rounds + warmRounds,
    localSteps,
    batch,
    length,
  });
  const result = await runOurs(testCase, {
    workers,
    threads,
    alone,
    checkpointing,
    ...(model === undefined ? {} : { model }),
  });
  const timed = result.round_seconds.slice(warmRounds);
  say(`${clients} clients, ${rounds} rounds, ${localSteps} steps${alone ? ', alone' : ''}: ${sum(timed).toFixed(2)} s`);
  return { clients, rounds, localSteps, seconds: sum(timed), roundSeconds: timed, ...result };
}

/** Clients whose steps are also timed on the engine alone; more take as much longer. */
const ALONE = 8;

/**
 * Time and memory of 1, 2, 4 ... 64 clients, the time against the same steps on the engine alone; the slope of memory against what a
 * client's adapter and optimizer state hold.
 */
async function clients({ threads, quick, counts: wanted }) {
  const counts = wanted ?? (quick ? [1, 2, 4] : [1, 2, 4, 8, 16, 32, 64]);
  const localSteps = quick ? 1 : 4;
  const rows = [];
  for (const count of counts) {
    const work = { rounds: 1, localSteps, threads, warmRounds: 1 };
    const run = await federation({ ...work, clients: count });
    const few = Math.min(count, ALONE);
    const engine = await federation({ ...work, clients: few, alone: true });
    rows.push({
      clients: count,
      seconds: run.seconds,
      engine_seconds: (engine.seconds * count) / few,
      workers: run.workers,
      peak_rss_bytes: run.peak_rss_bytes,
      adapter_bytes: run.adapter_bytes,
    });
  }
  const parallel = rows.filter((row) => row.clients >= 2);
  const line = (key) =>
    parallel.length < 2
      ? undefined
      : fitLine(
          parallel.map((row) => row.clients),
          parallel.map((row) => row[key]),
        );
  const memory = line('peak_rss_bytes')?.slope;
  return {
    rows,
    time: line('seconds'),
    memory_per_client_bytes: memory,
    state_per_client_bytes: 3 * rows[0].adapter_bytes,
  };
}

/** The same federation with more rounds and with more examples (steps) a client. */
async function work({ threads, quick }) {
  const base = { clients: 2, threads, warmRounds: 1 };
  const counts = quick ? [1, 2] : [1, 2, 4, 8];
  const rounds = [];
  const examples = [];
  for (const count of counts) {
    const one = await federation({ ...base, rounds: count, localSteps: quick ? 1 : 4 });
    rounds.push({ rounds: count, seconds: one.seconds });
    const other = await federation({ ...base, rounds: 1, localSteps: 4 * count });
    examples.push({ examples: 4 * 4 * count, seconds: other.seconds });
  }
  const line = (rows, key) =>
    fitLine(
      rows.map((row) => row[key]),
      rows.map((row) => row.seconds),
    );
  return { rounds, examples, roundsLine: line(rounds, 'rounds'), examplesLine: line(examples, 'examples') };
}

const TOKENS = 2048;

/** The same 2,048 tokens as sequences of 128 to 2048: only attention may grow. */
async function lengths({ threads, quick }) {
  const rows = [];
  for (const length of quick ? [128, 512] : [128, 256, 512, 1024, 2048]) {
    const testCase = await makeCase('long', { length, batch: TOKENS / length });
    const result = await runOurs(testCase, { threads, warmup: 1, steps: quick ? 1 : 4 });
    const { tokens_per_second, median_step_seconds } = rates(result);
    const inKernel = (test) =>
      sum(Object.entries(result.profile).map(([name, value]) => (test(name) ? value : 0))) / result.steps.length;
    const attention = inKernel((name) => name.startsWith('attention'));
    rows.push({
      length,
      tokens_per_second,
      step_seconds: median_step_seconds,
      attention_seconds: attention,
      other_seconds: sum(result.steps.map(({ seconds }) => seconds)) / result.steps.length - attention,
      peak_rss_bytes: result.peak_rss_bytes,
    });
    say(`length ${length}: ${tokens_per_second.toFixed(0)} tokens/s`);
  }
  return { tokens: TOKENS, rows };
}

/** Which measured peak a kernel set's products lean on. */
const PEAK_OF = { amx: 'bf16', avx512bf16: 'int8', vnni: 'int8' };

/** From one to two threads: the peak program, two workers of one thread, one worker of two threads; taken in turn. */
async function threads({ quick, turns: count }) {
  const turns = [];
  const settings = { clients: 2, localSteps: quick ? 1 : 8, rounds: quick ? 1 : 2, warmRounds: 1 };
  for (let turn = 0; turn < count; turn++) {
    const [one, two] = [bestPeak(1), bestPeak(2)];
    const single = await federation({ ...settings, workers: 1, threads: 1 });
    const workers = await federation({ ...settings, workers: 2, threads: 2 });
    const wide = await federation({ ...settings, workers: 1, threads: 2 });
    const scaling = (key) => two[key] / one[key];
    turns.push({
      peak: { fp32: scaling('fp32'), bf16: scaling('bf16'), int8: scaling('int8'), read: scaling('read') },
      two_workers: single.seconds / workers.seconds,
      two_threads: single.seconds / wide.seconds,
    });
  }
  const full = await makeCase('full');
  const kernels = (await runOurs(full, { threads: 1, warmup: 0, steps: 1 })).kernels;
  const key = PEAK_OF[kernels] ?? 'fp32';
  const middle = (of) => median(turns.map(of));
  const peak = middle((turn) => turn.peak[key]);
  const [twoWorkers, twoThreads] = [middle((turn) => turn.two_workers), middle((turn) => turn.two_threads)];
  return { kernels, against: key, peak, two_workers: twoWorkers, two_threads: twoThreads, turns };
}

/** Activations recomputed instead of kept: time against memory. */
async function recompute({ threads, quick }) {
  const rows = [];
  for (const name of ['full', 'long']) {
    const testCase = await makeCase(name);
    for (const checkpointing of [false, true]) {
      const result = await runOurs(testCase, { threads, checkpointing, warmup: 1, steps: quick ? 1 : 4 });
      const { tokens_per_second } = rates(result);
      rows.push({ case: name, checkpointing, tokens_per_second, ...pick(result, ['peak_rss_bytes', 'trainer_bytes']) });
    }
  }
  return { rows };
}

const pick = (object, keys) => Object.fromEntries(keys.map((key) => [key, object[key]]));

/** Opening SmolLM2-135M's shape (and `--model`). */
async function load({ threads, quick, model }) {
  const random = await randomModel('smollm2-135m');
  const rows = [];
  for (const path of model === undefined ? [random] : [random, model]) {
    for (const precision of ['int8', 'f32']) {
      const runs = [];
      for (let i = 0; i < (quick ? 1 : 5); i++) runs.push(await probe('load', { model: path, precision, threads }));
      const row = Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(runs.map((run) => run[key]))]));
      rows.push({ model: path === random ? 'random weights, Q8_0' : 'of --model', precision, ...row });
    }
  }
  return { rows };
}

/** 64 adapters of 5 M values against a plain read of as many bytes. */
async function merge({ threads, quick }) {
  const settings = { adapters: quick ? 8 : 64, values: 5_000_000, threads, repeats: quick ? 1 : 5 };
  const rows = [];
  for (const masked of [false, true]) {
    const read = bestPeak(threads).read;
    const result = await probe('merge', { ...settings, masked });
    const rate = result.bytes / result.seconds / 1e9;
    rows.push({ masked, read_gb_per_second: read, merge_gb_per_second: rate, share: rate / read, ...result });
  }
  return { ...settings, rows };
}

/** Share of a step that is JavaScript. */
async function javascript({ threads, quick, data, model }) {
  const path = model ?? (await randomModel('smollm2-135m'));
  return probe('javascript', { model: path, threads, steps: quick ? 2 : 12, data, tokenizerModel: model });
}

/** Examples of 64 tokens in a step, and LoRA's rank, of the part owners. */
const OWNERS = { batch: 8, length: 64, rank: 8 };

/** Its runs: one step a round shows what an owner costs beside it, six what that is in a round of some length. */
const OWNER_RUNS = [
  { owners: 8, method: 'fedavg', localSteps: 1, rounds: 5 },
  { owners: 8, method: 'fedavg', localSteps: 6, rounds: 3 },
  { owners: 8, method: 'fedavg', localSteps: 6, rounds: 3, checkpointing: true },
  { owners: 8, method: 'perfit', localSteps: 1, rounds: 5 },
  { owners: 64, method: 'fedavg', localSteps: 1, rounds: 3 },
];
const QUICK_OWNER_RUNS = OWNER_RUNS.filter(({ owners }) => owners === 8).map((run) => ({
  ...run,
  owners: 2,
  rounds: 2,
}));

/** The steps of such a round on the engine alone, for as many owners: seconds, and seconds of all cores. */
async function engineRound(count, work) {
  const few = Math.min(count, ALONE);
  const run = await federation({ ...work, clients: few, rounds: 1, warmRounds: 1, alone: true });
  const times = count / few;
  return {
    engine_seconds: times * run.round_seconds.at(-1),
    engine_cpu_seconds: times * run.round_cpu_seconds.at(-1),
  };
}

/**
 * Whole runs of 8 and 64 owners, from rows to adapters, two workers: their rounds against the same steps on the engine alone (where
 * the method trains as the engine does there), their peak memory, and the time left that they show after the first round.
 */
async function owners({ threads, quick, counts, model: given }) {
  const model = given ?? (await randomModel('smollm2-135m'));
  const rows = [];
  for (const each of quick ? QUICK_OWNER_RUNS : OWNER_RUNS.filter((run) => counts?.includes(run.owners) ?? true)) {
    const work = { ...OWNERS, ...each, workers: 2, threads, model };
    const run = await probe('owners', work);
    const engine = each.method === 'fedavg' ? await engineRound(each.owners, work) : {};
    const memory = `${(run.peak_rss_bytes / 1e6).toFixed(0)} MB`;
    say(`${each.owners} owners, ${each.method}: ${run.round_seconds.toFixed(2)} s a round, ${memory}`);
    rows.push({ ...each, workers: Math.min(2, each.owners), ...engine, ...run });
  }
  return { ...OWNERS, rows };
}

/** Everything that `npm run bench:scaling` measures, in this order; each takes `{threads, turns, quick, data, model}`. */
export const PARTS = { clients, work, lengths, threads, sources, recompute, load, merge, javascript, owners };
