/**
 * `npm run check:plan`: what `fedtune plan` says beside what the run then takes: time, peak of resident memory, bytes. One case after
 * the other, on the embedded base and data; `--gguf FILE --data PATTERN` adds one on that base. The machine should do nothing else.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './lib/paths.mjs';

const { values: options } = parseArgs({
  options: {
    gguf: { type: 'string' },
    data: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '16' },
    tolerance: { type: 'string', default: '0.2' },
  },
});

const SMALL = ['--batch-size', '8', '--max-valid-examples', '10', '--max-test-examples', '20'];
const LENGTH = ['--num-rounds', options.rounds, '--local-steps', options.steps];
const CASES = {
  fedavg: ['--method', 'fedavg', '--eval-every', '1'],
  scaffold: ['--method', 'scaffold', '--eval-every', '0'],
  'ffa-lora': ['--method', 'ffa-lora', '--participation', '0.5'],
  ditto: ['--method', 'ditto', '--also-local'],
  perfit: ['--method', 'perfit', '--mutation', 'fedqp', '--finetune-steps', '10', '--warmup-steps', '8'],
  centralized: ['--method', 'centralized'],
  checkpointing: ['--method', 'fedavg', '--checkpointing', '--lora-r', '32', '--seq-length', '512'],
};
if (options.gguf !== undefined) {
  const base = ['--model', options.gguf, '--data', options.data, '--max-train-examples', '60'];
  CASES.model = [...base, '--method', 'fedavg', '--num-rounds', '2', '--local-steps', '4', '--batch-size', '4'];
}

const folder = mkdtempSync(join(tmpdir(), 'fedtune-plan-check-'));
function fedtune(command, name, more) {
  const args = [join(ROOT, 'dist/cli/main.js'), command, ...SMALL, ...LENGTH, ...CASES[name], '--json', ...more];
  return JSON.parse(
    execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 }),
  );
}

let off = 0;
for (const name of options.only?.split(',') ?? Object.keys(CASES)) {
  const { estimate } = fedtune('plan', name, []);
  const { timing, traffic } = fedtune('run', name, ['--output-dir', join(folder, name)]);
  const pairs = {
    seconds: [estimate.seconds.total, timing.seconds],
    'memory in MB': [estimate.memory.total / 1e6, timing.peak_rss_bytes / 1e6],
    'MB down': [estimate.bytes.down / 1e6, traffic.bytes_down / 1e6],
    'MB up': [estimate.bytes.up / 1e6, traffic.bytes_up / 1e6],
  };
  for (const [what, [planned, taken]] of Object.entries(pairs)) {
    const ratio = taken === 0 && planned === 0 ? 1 : planned / taken;
    const good = Math.abs(ratio - 1) <= Number(options.tolerance);
    if (!good) off++;
    console.log(
      `${good ? 'ok  ' : 'OFF '} ${name}, ${what}: ${planned.toFixed(2)} planned, ${taken.toFixed(2)} taken, ${ratio.toFixed(2)} of it`,
    );
  }
}
rmSync(folder, { recursive: true, force: true });
process.exitCode = off === 0 ? 0 : 1;
