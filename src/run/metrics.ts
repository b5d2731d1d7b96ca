import type { ClientMetrics, RunMetrics, Timing } from '../contracts/metrics.js';
import { macroScore, weightedScore } from '../contracts/score.js';
import { bestEvaluation, comparedBy } from '../server/bestRound.js';
import { summarise } from '../server/evaluate.js';
import type { FinishedRun } from '../server/finish.js';
import type { Prepared } from './prepare.js';

/** Form of metrics.json. */
const VERSION = 1;

/** Which round was best, where something hung on it. */
function bestOf({ config, method }: Prepared, { round, evaluations }: FinishedRun['state']) {
  if (config.keep === 'last' && config.early_stopping_patience === null) return {};
  const best = bestEvaluation(evaluations, comparedBy(method));
  return {
    ...(round < config.num_rounds ? { stopped_early: true as const } : {}),
    ...(best ? { best_round: best.round } : {}),
  };
}

/** Puts the result of a run into the form of metrics.json. */
export function makeMetrics(prepared: Prepared, finished: FinishedRun, timing: Timing): RunMetrics {
  const { config, model } = prepared;
  const { state } = finished;
  const clients = finished.clients.map(
    ({ client, test, valid, takeHome, kept }): ClientMetrics => ({
      id: client.id,
      num_train: client.numTrain,
      num_val: client.numValid,
      num_test: client.numTest,
      ...test,
      valid,
      ...(kept ? { kept } : {}),
      take_home: { which: takeHome, ...test[takeHome] },
    }),
  );
  const { macro, weighted } = summarise(
    state.round,
    'test',
    finished.clients.map(({ test }) => test),
  );
  const home = finished.clients.map(({ test, takeHome }) => test[takeHome]).filter((score) => score !== undefined);
  const { totals } = state;
  return {
    version: VERSION,
    method: config.method,
    ...(config.mutation === 'none' ? {} : { mutation: config.mutation }),
    rounds: state.round,
    ...bestOf(prepared, state),
    precision: config.precision,
    seed: config.seed,
    model: {
      name: model.name,
      sha256: model.sha256,
      ...(model.revision === undefined ? {} : { revision: model.revision }),
    },
    clients,
    macro: home.length > 0 ? { ...macro, take_home: macroScore(home) } : macro,
    weighted: home.length > 0 ? { ...weighted, take_home: weightedScore(home) } : weighted,
    evaluations: state.evaluations,
    traffic: { bytes_up: totals.bytesUp, bytes_down: totals.bytesDown },
    tokens: {
      train: totals.train,
      search: totals.search,
      eval: totals.eval,
      ...(config.also_local ? { local: totals.local } : {}),
      ...(totals.tune > 0 ? { tune: totals.tune } : {}),
    },
    ...(config.devices.length > 0 ? { virtual_seconds: state.clock } : {}),
    timing,
  };
}
