/**
 * `npm run check:trackers`: what examples/track.py brings into Weights & Biases (offline), MLflow and trackio, of a run that goes on,
 * read back from the real packages and held against events.jsonl, number by number.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './lib/paths.mjs';
import { peersPython } from './peers/python.mjs';

const folder = mkdtempSync(join(tmpdir(), 'fedtune-trackers-'));
const RUN = [
  '--num-rounds',
  '3',
  '--local-steps',
  '2',
  '--max-train-examples',
  '8',
  '--max-valid-examples',
  '2',
  '--max-test-examples',
  '2',
];

/** Ends with what a program wrote; throws where it fails. */
function output(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (texts[name] += text));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(texts.stdout)
        : reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${texts.stderr}`)),
    );
  });
}

/** The mean perplexities that the events tell of, and the bytes so far, by name and round. */
function expectedOf(run) {
  const events = readFileSync(join(run, 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const expected = new Map();
  let up = 0;
  for (const event of events) {
    const { type, round } = event;
    if (type === 'round') {
      up += event.bytes_up;
      expected.set(`traffic/bytes_up@${round}`, up);
    }
    if (type === 'client') expected.set(`loss/${event.client}@${round}`, event.losses.at(-1));
    if (type !== 'evaluation' && type !== 'final') continue;
    const prefix = type === 'final' ? 'final_perplexity' : `${event.split}_perplexity`;
    for (const [kind, { ppl }] of Object.entries(event.macro)) expected.set(`${prefix}/mean/${kind}@${round}`, ppl);
    for (const [owner, kinds] of Object.entries(event.clients ?? {}))
      for (const [kind, { ppl }] of Object.entries(kinds)) expected.set(`${prefix}/${owner}/${kind}@${round}`, ppl);
  }
  return expected;
}

const python = peersPython('trackers');
const run = join(folder, 'run');
const trackers = ['wandb', 'mlflow', 'trackio'];
const environments = Object.fromEntries(
  trackers.map((tracker) => {
    const cwd = join(folder, tracker);
    mkdirSync(cwd);
    const env = { ...process.env, WANDB_MODE: 'offline', WANDB_SILENT: 'true', TRACKIO_DIR: cwd, HF_HUB_OFFLINE: '1' };
    return [tracker, { cwd, env: { ...env, MLFLOW_TRACKING_URI: `sqlite:///${join(cwd, 'mlflow.db')}` } }];
  }),
);
try {
  const script = join(ROOT, 'examples/track.py');
  const following = trackers.map((tracker) =>
    output(python, [script, tracker, run, '--follow'], environments[tracker]),
  );
  await output(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'run', ...RUN, '--output-dir', run], {});
  await Promise.all(following);
  const expected = expectedOf(run);
  for (const tracker of trackers) {
    const reader = join(ROOT, 'benchmarks/peers/readTracker.py');
    const text = await output(python, [reader, tracker, environments[tracker].cwd], environments[tracker]);
    const rows = JSON.parse(text.trim().split('\n').at(-1));
    const found = new Map(rows.map(([name, step, value]) => [`${name}@${step}`, value]));
    const wrong = [...expected].filter(
      ([name, value]) => Math.abs((found.get(name) ?? Number.NaN) - value) <= 1e-9 * Math.abs(value) === false,
    );
    console.log(
      `${tracker}: ${rows.length} numbers, ${expected.size - wrong.length} of ${expected.size} expected ones equal`,
    );
    for (const [name, value] of wrong.slice(0, 5))
      console.log(`  ${name}: expected ${value}, found ${found.get(name)}`);
    if (wrong.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
