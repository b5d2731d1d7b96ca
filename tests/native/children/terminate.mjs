// Terminates worker threads at many moments of their calls into the engine.
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Base, Trainer } from '../../../dist/native/engine.js';
import { batch, description, modules } from './setup.mjs';

const ROUNDS = 14;

if (isMainThread) {
  for (let i = 0; i < ROUNDS; i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { asynchronous: i % 2 === 0 } });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await new Promise((resolve) => setTimeout(resolve, 3 * i));
    await worker.terminate();
  }
  console.log(JSON.stringify('alive'));
} else {
  const trainer = new Trainer({ base: new Base({ description }), modules, threads: 2 });
  const batches = [batch(workerData.asynchronous ? 1 : 20)];
  parentPort.postMessage('ready');
  for (;;) {
    if (workerData.asynchronous) await trainer.stepAsync(batches, { learningRate: 1e-4 });
    else trainer.step(batches, { learningRate: 1e-4 });
  }
}
