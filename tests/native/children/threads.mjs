// Asks for threads that the system does not give (native/tests/fail_threads.cpp is preloaded); prints what came of it.
import { Base, Trainer } from '../../../dist/native/engine.js';
import { mergeMean } from '../../../dist/native/merges.js';
import { batch, description, modules } from './setup.mjs';

function withoutThreads(call) {
  process.env.FEDTUNE_FAIL_THREADS = '1';
  try {
    call();
    return 'none';
  } catch (error) {
    return `${error.name} ${error.code}`;
  } finally {
    delete process.env.FEDTUNE_FAIL_THREADS;
  }
}

const results = [withoutThreads(() => new Base({ description }))];
const base = new Base({ description });
const values = new Float32Array(50_000);
results.push(
  withoutThreads(() => new Trainer({ base, modules, threads: 3 })),
  withoutThreads(() => mergeMean([{ values, weight: 1, mask: null }], values, 4)),
  withoutThreads(() => new Trainer({ base, modules, threads: 1 })),
);
const trainer = new Trainer({ base, modules, threads: 3 });
if (trainer.step([batch(1)], { learningRate: 1e-3 }).loss > 0) results.push('works');
console.log(JSON.stringify(results));
