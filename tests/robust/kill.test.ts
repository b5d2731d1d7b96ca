import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { fedtune, outcomeOf, workFolder, writeRunFile } from './cli.js';

const SEED = 7;
/** Where a run is killed: labels of watch.mjs that begin so. */
const PHASES = [
  { when: 'during training', label: 'train' },
  { when: 'while merging', label: 'merge' },
  { when: 'between write and rename of a state', label: 'rename state/0' },
  { when: 'between write and rename of a tensor', label: 'rename state/blobs/' },
  { when: 'during evaluation', label: 'score' },
  { when: 'half-way through an adapter', label: 'write adapters.tmp/' },
  { when: 'between write and rename of metrics, scores or partition', label: 'rename ./' },
  { when: 'half-way through an event', label: 'append' },
  { when: 'between rename and sync', label: 'renamed' },
  { when: 'half-way through a state', label: 'write state/0' },
  { when: 'half-way through a tensor', label: 'write state/blobs/' },
  { when: 'before an old state is removed', label: 'remove state/' },
  { when: 'while owners open their data', label: 'rename owners/' },
  { when: "between write and rename of an owner's state", label: 'rename owners/ashgrove-caretakers/state/main/0' },
  { when: "half-way through an owner's tensor", label: 'write owners/castle-street-keys/state/main/blobs/' },
  { when: "before an owner's old state is removed", label: 'remove owners/' },
  { when: 'before something old is removed', label: 'remove' },
];
/** A resume reaches these whatever it has to do again. */
const AGAIN = ['score:2', 'rename ./:1', 'write adapters.tmp/:3', 'append:1', 'renamed ./:1'];

const DEVICES = [
  { name: 'desk', tokens_per_second: 1000 },
  { name: 'phone', tokens_per_second: 100, upload_mbps: 1 },
];
/** Runs that keep a lot of state from round to round; each is killed in every phase. */
const RUNS = [
  {
    method: 'perfit',
    mutation: 'fedqp',
    also_local: true,
    finetune_steps: 1,
    dropout_rate: 0.2,
    devices: DEVICES,
    deadline: 2,
    late: 'discount',
    eval_every: 1,
    num_rounds: 4,
  },
  { method: 'perfit', devices: DEVICES, async_buffer: 3, clients_per_round: 5, num_rounds: 6 },
  {
    ...{ method: 'ditto', clients_per_round: 5, dropout_rate: 0.2, eval_every: 1, num_rounds: 6 },
    ...{ also_local: true, learning_rate: 0.05, keep: 'best_on_validation', early_stopping_patience: 2 },
  },
];

/**
 * A moment a phase, each time in another run; `npm run test:kill` kills every run in every phase.
 */
const LAPS = process.env.npm_lifecycle_event === 'test:kill' ? RUNS.length : 1;
const MOMENTS = Array.from({ length: LAPS * PHASES.length }, (_, i) => ({
  i,
  ...PHASES[i % PHASES.length]!,
  run: ((i % PHASES.length) + Math.floor(i / PHASES.length)) % RUNS.length,
}));

interface Reference {
  readonly outcome: Record<string, unknown>;
  /** What each thread did, in order: `main append events.jsonl`. */
  readonly labels: readonly string[];
}

/** A label of a trace drawn out of those that begin so, and which of its thread's it is. */
function drawMoment(labels: readonly string[], start: string, random: () => number) {
  const found = labels.flatMap((line) => {
    const [thread, ...rest] = line.split(' ');
    return rest.join(' ').startsWith(start) ? [thread!] : [];
  });
  expect(found.length).toBeGreaterThan(0);
  const at = Math.floor(random() * found.length);
  const thread = found[at]!;
  const nth = found.slice(0, at + 1).filter((other) => other === thread).length;
  return { thread, kill: `${start}:${nth}` };
}

async function makeReference(settings: Record<string, unknown>): Promise<Reference> {
  const cwd = await workFolder();
  await writeRunFile(cwd, settings);
  const trace = join(cwd, 'trace');
  const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], { trace });
  expect(code, stderr).toBe(0);
  return { outcome: await outcomeOf(cwd), labels: (await readFile(trace, 'utf8')).trimEnd().split('\n') };
}

/** How a user goes on; a folder that was not begun is no run to be resumed. */
async function goOn(cwd: string): Promise<string[]> {
  const begun = await access(join(cwd, 'run/config.yaml')).then(
    () => true,
    () => false,
  );
  return begun ? ['run', '--resume', 'run'] : ['run', 'run.yaml'];
}

describe('a run that is killed and resumed', () => {
  const references = new Map<number, Promise<Reference>>();
  const referenceOf = (run: number): Promise<Reference> => {
    const known = references.get(run) ?? makeReference(RUNS[run]!);
    references.set(run, known);
    return known;
  };

  it('is killed at least ten times, in every phase and in every run', () => {
    expect(MOMENTS.length).toBeGreaterThanOrEqual(LAPS === 1 ? 10 : 30);
    expect(new Set(MOMENTS.map(({ label }) => label)).size).toBe(PHASES.length);
    expect(new Set(MOMENTS.map(({ run }) => run)).size).toBe(RUNS.length);
    expect(new Set(MOMENTS.map(({ label, run }) => `${label} ${run}`)).size).toBe(MOMENTS.length);
  });

  it.each(MOMENTS)('moment $i, $when, of run $run: is the run that was never killed', async ({ i, label, run }) => {
    const random = randomStream(SEED, 'kill', i);
    const { outcome, labels } = await referenceOf(run);
    const moment = drawMoment(labels, label, random);

    const cwd = await workFolder();
    await writeRunFile(cwd, RUNS[run]!);
    const killed = await fedtune(cwd, ['run', 'run.yaml'], moment);
    expect(killed.signal, killed.stderr).toBe('SIGKILL');
    if (i % 2 === 1) {
      const again = AGAIN[Math.floor(random() * AGAIN.length)]!;
      const killedAgain = await fedtune(cwd, await goOn(cwd), { kill: again });
      expect(killedAgain.signal, `${again}: ${killedAgain.stderr}`).toBe('SIGKILL');
    }
    const resumed = await fedtune(cwd, [...(await goOn(cwd)), '--workers', '2']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await outcomeOf(cwd), `killed in ${moment.thread} at ${moment.kill} of run ${run}`).toEqual(outcome);
  });
});
