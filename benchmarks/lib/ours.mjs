import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runJson } from '../peers/python.mjs';
import { randomModel } from './randomModel.mjs';

const SCRIPT = fileURLToPath(new URL('trainRun.mjs', import.meta.url));

/** Middle value; of two, their mean. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians over the timed steps of one run, of ours or of a peer. */
export function rates({ steps }) {
  const rate = (key) => median(steps.map((step) => step[key] / step.seconds));
  return {
    tokens_per_second: rate('tokens'),
    target_tokens_per_second: rate('targets'),
    examples_per_second: rate('examples'),
    median_step_seconds: median(steps.map((step) => step.seconds)),
  };
}

/** Runs our engine on a prepared case in a process of its own. */
export async function runOurs(testCase, settings, onStart) {
  const full = {
    caseFile: testCase.path,
    model: await randomModel(testCase.shapeName),
    precision: 'int8',
    kernels: 'auto',
    threads: availableParallelism(),
    workers: 2,
    warmup: 1,
    steps: 6,
    checkpointing: false,
    ...settings,
  };
  return runJson(process.execPath, [SCRIPT, JSON.stringify(full)], onStart);
}
