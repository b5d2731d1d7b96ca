import { performance } from 'node:perf_hooks';
import { plainLayout } from './engine.mjs';
import { library } from './paths.mjs';

/** Settings of a job that trains for `steps` steps of `batch` examples. */
function trainPhase(steps, batch) {
  return {
    kind: 'train',
    steps,
    batchSize: batch,
    gradientAccumulationSteps: 1,
    learningRates: Array(steps).fill(1e-4),
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0,
    maxGradNorm: 0,
    trainable: null,
    proxMu: 0,
    anchor: null,
    gradientOffset: null,
    wantMeanGradient: false,
  };
}

/** Examples of all clients in one list, and each client's indices into it. */
function indexExamples(testCase) {
  const examples = [];
  const clients = testCase.clients.map(({ id, steps }) => {
    const indices = steps.flat().map(({ tokens, mask }) => {
      examples.push({ id: String(examples.length), tokens: Int32Array.from(tokens), lossMask: Uint8Array.from(mask) });
      return examples.length - 1;
    });
    return { id, steps: steps.length, indices };
  });
  return { examples, clients };
}

/** FedAvg over worker threads, as the library runs it, without evaluation and checkpoints: wall seconds with loading. */
export async function runFederation(testCase, settings) {
  const { loadModel } = await library('model/index.js');
  const { createWorkerPool } = await library('runtime/workerPool.js');
  const { shareExamples } = await library('runtime/sharedExamples.js');
  const { mergeMean } = await library('native/merges.js');
  const { initialValues } = await library('adapter/init.js');
  const start = performance.now();
  const { description } = await loadModel(settings.model);
  const layout = await plainLayout(description, testCase.rank);
  const { examples, clients } = indexExamples(testCase);
  const { precision, kernels, checkpointing } = settings;
  const workers = Math.min(settings.workers, clients.length);
  const threads = Math.max(1, Math.floor(settings.threads / workers));
  const shared = shareExamples(examples);
  const setup = {
    description,
    precision,
    kernels,
    threads,
    checkpointing,
    dropout: 0,
    examples: shared,
    baseLayout: layout,
  };
  const pool = createWorkerPool({ workers, setup });
  let values = initialValues(layout, 1);
  const roundSeconds = [];
  for (let round = 1; round <= testCase.rounds; round++) {
    process.stderr.write(`round ${round} of ${testCase.rounds}\n`);
    const before = performance.now();
    const jobs = clients.map(({ id, steps, indices }) => ({
      client: id,
      round,
      seed: round * 1000 + Number(id),
      trainIndices: indices,
      tracks: [{ name: 'main', adapter: { layout, values, mask: null }, phases: [trainPhase(steps, testCase.batch)] }],
    }));
    const results = await Promise.all(jobs.map((job) => pool.train(job)));
    const rows = results.map(({ tracks }) => ({ values: tracks[0].adapter.values, weight: 1, mask: null }));
    values = mergeMean(rows, values, settings.threads);
    roundSeconds.push((performance.now() - before) / 1000);
  }
  const wall = (performance.now() - start) / 1000;
  await pool.close();
  const targets =
    testCase.rounds * examples.reduce((sum, e) => sum + e.lossMask.subarray(1).reduce((a, b) => a + b, 0), 0);
  return {
    wall_seconds: wall,
    round_seconds: roundSeconds,
    targets,
    workers,
    clients: clients.length,
    rounds: testCase.rounds,
    adapter_bytes: 4 * layout.size,
  };
}
