/** One worker of `trainAlone`: its clients' steps on a trainer of its own, each time it is asked. */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { openTrainer, packed, plainLayout } from './engine.mjs';
import { library } from './paths.mjs';

const { caseFile, clients, settings } = workerData;
const testCase = JSON.parse(readFileSync(caseFile, 'utf8'));
const { initialValues } = await library('adapter/init.js');
const { trainer, layout } = await openTrainer({
  path: settings.model,
  layoutOf: (description) => plainLayout(description, testCase.rank),
  precision: settings.precision,
  kernels: settings.kernels,
  threads: settings.threads,
  checkpointing: settings.checkpointing,
});
const initial = initialValues(layout, 1);
const work = await Promise.all(clients.map((i) => Promise.all(testCase.clients[i].steps.map(packed))));
parentPort.on('message', () => {
  for (const steps of work) {
    trainer.setValues(initial);
    trainer.resetOptimizer();
    for (const batch of steps) trainer.step([batch], { learningRate: 1e-4 });
  }
  parentPort.postMessage('done');
});
parentPort.postMessage('ready');
