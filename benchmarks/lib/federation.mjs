import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CACHE, library } from './paths.mjs';
import { cpuSeconds, sum } from './stats.mjs';

/** FedAvg on ready-made tokens: plain LoRA on every linear layer, a constant learning rate, nothing evaluated. */
function configOf(testCase, settings) {
  const { precision, kernels, checkpointing, model } = settings;
  const [first] = testCase.clients;
  return {
    ...{ model, precision, kernels, checkpointing, method: 'fedavg', seed: 1 },
    ...{ lora_r: testCase.rank, lora_alpha: 2 * testCase.rank, lora_dropout: 0 },
    ...{ num_rounds: testCase.rounds, local_steps: first.steps.length, batch_size: testCase.batch },
    ...{ learning_rate: 1e-4, weight_decay: 0, max_grad_norm: 0, eval_every: 0 },
  };
}

/**
 * An owner's home as it is once the owner has described its data, with the case's examples in the place of rows and their
 * tokens. Returns the owner with what it would say of itself.
 */
async function makeHome(dir, { id, steps }, config, baseSha256) {
  const { packExamples } = await library('client/examples.js');
  const { StateStore } = await library('store/index.js');
  const home = join(dir, id);
  mkdirSync(home);
  const train = steps.flat().map(({ tokens, mask }, i) => ({
    example: { id: String(i), tokens: Int32Array.from(tokens), lossMask: Uint8Array.from(mask) },
  }));
  const examples = packExamples({ train, valid: [], test: [] });
  StateStore.open(join(home, 'tokens')).save(1, { ...examples, inputs: '', numDropped: 0, numCut: 0, dataSha256: '' });
  writeFileSync(
    join(home, 'run.json'),
    JSON.stringify({ config, baseSha256, rank: config.lora_r, givenSplits: [], inputs: '' }),
  );
  return { id, home, takeHome: join(dir, 'taken', id), rank: config.lora_r, description: examples.counts };
}

const examplesOf = ({ clients }) => clients.flatMap(({ steps }) => steps.flat());

/** FedAvg over worker threads, as the library runs it, without evaluation and checkpoints: wall seconds with loading. */
export async function runFederation(testCase, settings) {
  const { parseConfig } = await library('config/parse.js');
  const { prepare } = await library('run/prepare.js');
  const { makeFederation } = await library('run/federation.js');
  const { createThreadsLink } = await library('links/threads.js');
  const { runRounds } = await library('server/loop.js');
  const { Base } = await library('native/engine.js');
  const start = performance.now();
  const config = parseConfig(configOf(testCase, settings));
  const prepared = await prepare(config);
  const { description, sha256 } = prepared.model;
  // Held by this thread, so that worker threads share the weights.
  const base = new Base({ description, precision: config.precision, kernels: config.kernels });
  const workers = Math.min(settings.workers, testCase.clients.length);
  const threads = Math.max(1, Math.floor(settings.threads / workers));
  const dir = mkdtempSync(join(CACHE, 'federation-'));
  const ends = [];
  const cpu = [];
  const jobs = [];
  try {
    const owners = await Promise.all(testCase.clients.map((client) => makeHome(dir, client, config, sha256)));
    const link = createThreadsLink({ homes: owners, workers, threads, model: prepared.model });
    const host = {
      link,
      signal: new AbortController().signal,
      emit: () => {},
      progress: ({ kind, round, seconds }) => {
        if (kind === 'round') process.stderr.write(`round ${round} of ${testCase.rounds}\n`);
        if (kind === 'job') jobs[round - 1] = (jobs[round - 1] ?? 0) + seconds;
      },
      // Called once before the first round and once after each.
      checkpoint: async () => {
        ends.push(performance.now());
        cpu.push(cpuSeconds());
      },
    };
    await runRounds(makeFederation(prepared, owners), host);
    const wall = (performance.now() - start) / 1000;
    await link.close();
    return {
      wall_seconds: wall,
      round_seconds: ends.slice(1).map((end, i) => (end - ends[i]) / 1000),
      round_cpu_seconds: cpu.slice(1).map((end, i) => end - cpu[i]),
      // Work of all owners, by round.
      job_seconds: jobs,
      // The first token of a sequence is never a target.
      targets: testCase.rounds * sum(examplesOf(testCase).map(({ mask }) => sum(mask.slice(1)))),
      workers,
      clients: owners.length,
      rounds: testCase.rounds,
      adapter_bytes: 4 * prepared.layout.size,
    };
  } finally {
    base.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}
