import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { fedtune, outcomeOf, workFolder, writeRunFile } from './cli.js';

const SEED = 7;
/** `npm run test:kill` kills more often. */
const MOMENTS = process.env.npm_lifecycle_event === 'test:kill' ? 30 : 5;

/** Where a run is killed: labels of watch.mjs that begin so. */
const PHASES = [
  { when: 'during training', label: 'train' },
  { when: 'while merging', label: 'merge' },
  { when: 'between write and rename of a state', label: 'rename state/' },
  { when: 'during evaluation', label: 'score' },
  { when: 'half-way through an adapter', label: 'write adapters.tmp/' },
  { when: 'between write and rename of metrics, scores or partition', label: 'rename ./' },
  { when: 'half-way through an event', label: 'append' },
  { when: 'between rename and sync', label: 'renamed' },
  { when: 'half-way through a state', label: 'write state/' },
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
    num_rounds: 3,
  },
  { method: 'fedadam', devices: DEVICES, async_buffer: 3, clients_per_round: 5, num_rounds: 4 },
  { method: 'scaffold', clients_per_round: 5, dropout_rate: 0.2, eval_every: 2, num_rounds: 4 },
];

interface Reference {
  readonly outcome: Record<string, unknown>;
  readonly labels: readonly string[];
}

async function makeReference(settings: Record<string, unknown>): Promise<Reference> {
  const cwd = await workFolder();
  await writeRunFile(cwd, settings);
  const trace = join(cwd, 'trace');
  const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], { trace });
  expect(code, stderr).toBe(0);
  return { outcome: await outcomeOf(cwd), labels: (await readFile(trace, 'utf8')).trimEnd().split('\n') };
}

describe('a run that is killed and resumed', () => {
  const references = new Map<number, Promise<Reference>>();
  const referenceOf = (run: number): Promise<Reference> => {
    const known = references.get(run) ?? makeReference(RUNS[run]!);
    references.set(run, known);
    return known;
  };

  const moments = Array.from({ length: MOMENTS }, (_, i) => [i, PHASES[i % PHASES.length]!.when] as const);

  it.each(moments)('moment %i, %s: is the run that was never killed', async (i) => {
    const { label } = PHASES[i % PHASES.length]!;
    const random = randomStream(SEED, 'kill', i);
    const run = Math.floor(i / PHASES.length) % RUNS.length;
    const { outcome, labels } = await referenceOf(run);
    const candidates = labels.filter((other) => other.startsWith(label)).length;
    expect(candidates).toBeGreaterThan(0);
    const nth = 1 + Math.floor(random() * candidates);

    const cwd = await workFolder();
    await writeRunFile(cwd, RUNS[run]!);
    const killed = await fedtune(cwd, ['run', 'run.yaml'], { kill: `${label}:${nth}` });
    expect(killed.signal, killed.stderr).toBe('SIGKILL');
    if (i % 2 === 1) {
      const again = AGAIN[Math.floor(random() * AGAIN.length)]!;
      const killedAgain = await fedtune(cwd, ['run', '--resume', 'run'], { kill: again });
      expect(killedAgain.signal, `${again}: ${killedAgain.stderr}`).toBe('SIGKILL');
    }
    const resumed = await fedtune(cwd, ['run', '--resume', 'run', '--workers', '2']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await outcomeOf(cwd), `killed at ${label}:${nth} of run ${run}`).toEqual(outcome);
  });
});
