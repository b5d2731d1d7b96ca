import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runJson } from '../peers/python.mjs';
import { randomModel } from './randomModel.mjs';
import { median, sum } from './stats.mjs';

const SCRIPT = fileURLToPath(new URL('trainRun.mjs', import.meta.url));

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

/** Work of all timed steps by their seconds together: for steps of unlike size, of which no single one is typical. */
export function overallRates({ steps }) {
  const seconds = sum(steps.map((step) => step.seconds));
  const rate = (key) => sum(steps.map((step) => step[key])) / seconds;
  return {
    tokens_per_second: rate('tokens'),
    target_tokens_per_second: rate('targets'),
    examples_per_second: rate('examples'),
    median_step_seconds: median(steps.map((step) => step.seconds)),
  };
}

/** Runs our engine on a prepared case in a process of its own. `options`: those of `runJson`. */
export async function runOurs(testCase, settings, options) {
  const full = {
    caseFile: testCase.path,
    model: settings.model ?? (await randomModel(testCase.shapeName)),
    precision: 'int8',
    kernels: 'auto',
    threads: availableParallelism(),
    workers: 2,
    warmup: 1,
    steps: 6,
    checkpointing: false,
    ...settings,
  };
  return runJson(process.execPath, [SCRIPT, JSON.stringify(full)], options);
}
