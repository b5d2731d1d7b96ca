import { checkFinite } from '../adapter/check.js';
import { compactAdapter } from '../adapter/components.js';
import type { Adapter } from '../adapter/layout.js';
import {
  EVAL_SPLITS,
  type EvalSplit,
  type KeptRounds,
  type Scores,
  WHICH,
  type Which,
} from '../contracts/evaluation.js';
import { isFinal } from '../contracts/isFinal.js';
import type { Finished, FinishRequest, NllSum, NllSums } from '../contracts/messages.js';
import { scoreOf } from '../contracts/score.js';
import { toWireError } from '../contracts/wireError.js';
import { InterruptedError } from '../errors.js';
import { writePeftAdapter } from '../export/index.js';
import { inPieces, writeAtomic } from '../files.js';
import { finetuneRates, makeTrainPhase, stepsOfEpochs } from '../methods/schedule.js';
import type { TrainPhase } from '../methods/work.js';
import { withBest } from './bestRound.js';
import { adaptersOf, candidatesOf, type OwnAdapters, type SplitScores, scoreCandidates } from './candidates.js';
import { examplesOf } from './examples.js';
import { runTracks, type WorkInput } from './localWork.js';
import { loadTurn, type OpenOwner } from './openOwner.js';

/** Where an owner leaves what it ends with. */
export interface FinishPaths {
  /** The scores of its examples, one a line. */
  readonly scores: string;
  /** Folder of the adapter that it takes home. */
  readonly takeHome: string;
}

/** An adapter after fine-tuning, or why there is none. */
interface Tuned {
  readonly adapter?: Adapter;
  readonly tokens: number;
  readonly failure?: unknown;
}
const NOT_TUNED: Tuned = { tokens: 0 };

/** Optimizer steps of an owner after the last round. */
function tuningSteps({ client, setup: { config } }: OpenOwner): number {
  const { finetune_steps: steps, finetune_epochs: epochs } = config;
  return steps > 0 || epochs === 0 ? steps : stepsOfEpochs(client.numTrain, epochs, config);
}

/** Trains an adapter on the owner's own examples after the rounds; tries again what may go better. */
function trainOn({ client, setup, train }: OpenOwner, adapter: Adapter, phase: TrainPhase, input: Tuning): Tuned {
  for (let attempt = 0; ; attempt++) {
    try {
      const tracks = [{ name: 'main', adapter, phases: [phase] }];
      const [result] = runTracks(tracks, { env: setup.engine.env, examples: train, ...input });
      checkFinite(result!.adapter.values, client.id, 'fine-tuned adapter');
      return { adapter: result!.adapter, tokens: result!.tokens.train };
    } catch (failure) {
      if (failure instanceof InterruptedError) throw failure;
      if (isFinal(failure) || attempt >= setup.config.retries) return { tokens: 0, failure };
    }
  }
}
type Tuning = Pick<WorkInput, 'seed' | 'optimizers'>;

/** Fine-tunes what the owner has (its own adapter, else the global one). */
function tune(owner: OpenOwner, adapters: OwnAdapters, seed: number): Tuned {
  const { config } = owner.setup;
  const adapter = adapters.personalized ?? adapters.global ?? adapters.local;
  const steps = tuningSteps(owner);
  if (steps === 0 || adapter === undefined) return NOT_TUNED;
  const phase = makeTrainPhase(config, 1, owner.client.numTrain, {
    steps,
    learningRates: finetuneRates(config, config.finetune_learning_rate, steps),
    trainable: adapters.trainable ?? null,
    proxMu: config.finetune_prox,
  });
  return trainOn(owner, adapter, phase, { seed });
}

/** Trains on who trains alone beside the method, for as many steps as the fine-tuning, so that both have taken the same number. */
function trainAlone(
  owner: OpenOwner,
  { local }: OwnAdapters,
  { seed, states, round }: FinishRequest,
  { local: kept = round }: KeptRounds,
): Tuned {
  const arm = owner.setup.arms.local;
  const steps = tuningSteps(owner);
  if (arm === undefined || local === undefined || steps === 0) return NOT_TUNED;
  const learningRates = finetuneRates(arm.train, null, steps);
  const phase = makeTrainPhase(arm.train, 1, owner.client.numTrain, { steps, learningRates });
  // The optimizer is that of the last round, which an adapter of another one does not go on from.
  const { optimizers = {} } = kept === round ? loadTurn(owner.states.local, states.local) : {};
  return trainOn(owner, local, phase, { seed, optimizers });
}

/**
 * What an owner takes home: what the run file names, or whichever its own validation split prefers (ties go to the
 * earlier of base, local, global, personalized, unmerged, tuned). Where nothing can be said: the most personal one there is
 * that the federation made.
 */
export function chooseTakeHome(
  wanted: Which | 'best_on_validation',
  valid: Scores,
  available: readonly Which[],
): Which {
  const otherwise = available.filter((which) => which !== 'unmerged').at(-1)!;
  if (wanted !== 'best_on_validation') return available.includes(wanted) ? wanted : otherwise;
  const scored = available.filter((which) => valid[which] !== undefined);
  if (scored.length === 0) return otherwise;
  return scored.reduce((best, which) => (valid[which]!.nll < valid[best]!.nll ? which : best));
}

const scoresOf = (sums: NllSums): Scores =>
  Object.fromEntries(Object.entries(sums).map(([which, sum]) => [which, scoreOf(sum as NllSum)]));

/** One line an example: id, split, category (where it has one), target tokens, and the sum of its NLL by what was scored. */
function scoreLine({ examples }: OpenOwner, split: EvalSplit, { perExample }: SplitScores, i: number): string {
  const scored = WHICH.filter((which) => perExample[which] !== undefined);
  const place = examplesOf(examples, split).place(i);
  const category = examples.categories[place];
  return `${JSON.stringify({
    id: examples.ids[place],
    split,
    ...(category === null ? {} : { category }),
    targets: perExample[scored[0]!]!.targets[i],
    nll: Object.fromEntries(scored.map((which) => [which, perExample[which]!.nll[i]])),
  })}\n`;
}

function* scoreLines(owner: OpenOwner, scores: Readonly<Record<EvalSplit, SplitScores>>): Generator<string> {
  for (const split of EVAL_SPLITS) {
    const { count } = examplesOf(owner.examples, split);
    for (let i = 0; i < count; i++) yield scoreLine(owner, split, scores[split], i);
  }
}

/**
 * The end of a run at its owner: fine-tuning, the scores of everything on validation and test, the choice of what it takes home, which
 * is written in PEFT's form (the fresh adapter, which changes nothing, where that is the base).
 */
export async function finishOwner(owner: OpenOwner, request: FinishRequest, paths: FinishPaths): Promise<Finished> {
  const { setup } = owner;
  const { config, model, layout } = setup;
  owner.throwIfStopped();
  const keepsLast = config.keep === 'last';
  const last = adaptersOf(owner, request);
  const { adapters, rounds } = keepsLast ? { adapters: last, rounds: {} } : withBest(owner, request.round, last);
  const tuned = tune(owner, adapters, request.seed);
  const alone = trainAlone(owner, adapters, request, rounds);
  const candidates = {
    ...candidatesOf(adapters),
    ...(alone.adapter ? { local: alone.adapter } : {}),
    ...(tuned.adapter ? { tuned: tuned.adapter } : {}),
  };
  const failure = tuned.failure ?? alone.failure;
  const valid = scoreCandidates(owner, candidates, 'valid');
  const test = scoreCandidates(owner, candidates, 'test');
  const available = WHICH.filter((which) => candidates[which] !== undefined);
  const takeHome = chooseTakeHome(config.take_home, scoresOf(valid.sums), available);
  owner.throwIfStopped();
  await writeAtomic(paths.scores, inPieces(scoreLines(owner, { valid, test })));
  // Whole rank components that a mask prunes are left out: `prune: rank` gives a plain adapter of the client's rank.
  const taken = compactAdapter(candidates[takeHome] ?? { layout, values: setup.initial, mask: null });
  await writePeftAdapter(paths.takeHome, taken, model, { loraDropout: config.lora_dropout });
  return {
    kind: 'finished',
    valid: valid.sums,
    test: test.sums,
    takeHome,
    ...(keepsLast ? {} : { rounds }),
    tokens: { eval: valid.tokens + test.tokens, tune: tuned.tokens, local: alone.tokens },
    tuneFailure: failure === undefined ? null : toWireError(failure),
  };
}
