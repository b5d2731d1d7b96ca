import { METHODS } from '../../src/methods/index.js';
import { digestFiles, type InlineRun, outcomeOf, roundMetrics, stateText } from '../methods/inlineRun.js';

/** Two owners and a round more than one, so that states are kept, sent back to and replaced. */
export const TINY = {
  partition: 'iid',
  num_clients: 2,
  num_rounds: 2,
  local_steps: 1,
  max_train_examples: 4,
  max_valid_examples: 1,
  max_test_examples: 1,
  warmup_steps: 1,
  seq_length: 64,
};
/** With this seed the one owner has a desk, the other a phone, which takes longer than the deadline. */
const LATE = {
  seed: 43,
  devices: [
    { name: 'desk', tokens_per_second: 1000 },
    { name: 'phone', tokens_per_second: 250 },
  ],
  deadline: 0.3,
  num_rounds: 4,
};
const DEVICES = [
  { name: 'desk', tokens_per_second: 1000 },
  { name: 'phone', tokens_per_second: 100, upload_mbps: 1 },
];

export interface Case {
  readonly name: string;
  readonly settings: Record<string, unknown>;
  /** Above 0 where the run was what it is called. */
  readonly shows?: (run: InlineRun) => number;
}

export const CASES: readonly Case[] = [
  ...METHODS.map((method) => ({ name: method, settings: { method } })),
  {
    name: 'mutation',
    settings: { method: 'perfit', mutation: 'fedqp', num_rounds: 3 },
    shows: (run) => roundMetrics(run).filter(({ mutation }) => mutation !== undefined).length,
  },
  { name: 'a robust merge', settings: { method: 'fedavg', robust: 'median' } },
  {
    name: 'asynchronous',
    settings: { method: 'fedavg', devices: DEVICES, async_buffer: 1 },
    shows: (run) => rounds(run).filter(({ ages }) => ages !== undefined).length,
  },
  {
    name: 'a deadline',
    settings: { ...LATE, method: 'scaffold', late: 'drop' },
    shows: (run) => rounds(run).flatMap(({ late }) => late ?? []).length,
  },
  {
    name: 'late updates',
    settings: { ...LATE, method: 'fedadam', late: 'discount' },
    shows: (run) => rounds(run).flatMap(({ joined_late: joined }) => joined ?? []).length,
  },
  {
    name: 'mixed ranks',
    settings: { method: 'flora', rank_per_client: [2, 4], also_local: true, finetune_steps: 1 },
    shows: ({ federation }) => new Set(federation.clients.map(({ rank }) => rank)).size - 1,
  },
  {
    name: 'best rounds and an early stop',
    settings: {
      ...{ method: 'ditto', also_local: true, keep: 'best_on_validation', early_stopping_patience: 2 },
      ...{ eval_every: 1, learning_rate: 0.05, num_rounds: 8 },
    },
    shows: ({ finished }) => 8 - finished.state.round,
  },
];

const rounds = ({ events }: InlineRun) => events.filter((event) => event.type === 'round');

/** All that must be equal: what comes of it, what the server saves, and every file of the owners after every round. */
export const everything = (run: InlineRun) => ({
  ...outcomeOf(run),
  states: run.states.map(stateText),
  homes: run.states.map(({ dir }) => digestFiles(dir)),
});
