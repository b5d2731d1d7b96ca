/**
 * `npm run bench:train -- --case full --precision int8 --json`: speed and memory of LoRA training with the engine. The model
 * has random weights in the shape of SmolLM2-135M (case qwen: Qwen2.5-0.5B), made once under benchmarks/.cache.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CASES, makeCase } from './lib/cases.mjs';
import { rates, runOurs } from './lib/ours.mjs';

const HELP = `Usage: npm run bench:train -- [options]
  --case NAME        ${Object.keys(CASES).join(', ')} (default full)
  --precision P      int8, f32 or int4 (default int8)
  --kernels SET      auto, amx, avx512bf16, vnni, avxvnni, avx2, i8mm, neon, portable (default auto)
  --threads N        compute threads in all (default: the cores)
  --workers N        case federation: worker threads (default 2)
  --steps N          timed steps (default 6), after --warmup N (default 1)
  --checkpointing    recompute activations
  --data PATH        conversations for chat and federation (default: the embedded owners), with --model PATH for the tokenizer
  --rounds N, --local-steps N   a shorter federation
  --json             one JSON line on stdout`;

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'full' },
    precision: { type: 'string', default: 'int8' },
    kernels: { type: 'string', default: 'auto' },
    threads: { type: 'string', default: String(availableParallelism()) },
    workers: { type: 'string', default: '2' },
    steps: { type: 'string', default: '6' },
    warmup: { type: 'string', default: '1' },
    checkpointing: { type: 'boolean', default: false },
    data: { type: 'string' },
    model: { type: 'string' },
    rounds: { type: 'string' },
    'local-steps': { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const whole = (value) => (value === undefined ? undefined : Number.parseInt(value, 10));

if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const testCase = await makeCase(options.case, {
  data: options.data,
  model: options.model,
  rounds: whole(options.rounds),
  localSteps: whole(options['local-steps']),
});
const { steps, ...result } = await runOurs(testCase, {
  precision: options.precision,
  kernels: options.kernels,
  threads: whole(options.threads),
  workers: whole(options.workers),
  steps: whole(options.steps),
  warmup: whole(options.warmup),
  checkpointing: options.checkpointing,
});
const speeds =
  steps === undefined
    ? { target_tokens_per_second: result.targets / result.wall_seconds }
    : { ...rates({ steps }), steps: steps.map(({ seconds, loss }) => ({ seconds, loss })) };
const report = { ...result, ...speeds, source: testCase.source };
if (options.json) {
  console.log(JSON.stringify(report));
} else {
  const { profile = {}, steps: _steps, ...rest } = report;
  console.log(rest);
  const total = Object.values(profile).reduce((sum, value) => sum + value, 0);
  for (const [name, value] of Object.entries(profile).sort((a, b) => b[1] - a[1])) {
    console.log(`${name.padEnd(28)} ${((100 * value) / total).toFixed(1).padStart(5)} %`);
  }
}
