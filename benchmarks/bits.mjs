#!/usr/bin/env node
// Whether a rebuild kept the bits: runs every method (and mutation, robust merges, asynchronous rounds, deadlines, mixed ranks)
// with a small budget on the embedded data, in f32 and int8, and records sha256 of adapters/** and metrics.json without its
// timing; or compares with what another checkout recorded on the same machine.
//   node benchmarks/bits.mjs record FILE [--only SUBSTRING] [--cli PATH] [--set KEY=VALUE ...]
//   node benchmarks/bits.mjs compare FILE [the same]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Bytes on the wire may differ from an older formula by this share. */
const TRAFFIC_TOLERANCE = 0.02;

const SMALL = {
  num_rounds: 4,
  local_steps: 2,
  batch_size: 2,
  learning_rate: 3e-3,
  eval_every: 2,
  max_train_examples: 16,
  max_valid_examples: 3,
  max_test_examples: 4,
  lora_r: 4,
};

const METHODS = [
  ...['fedavg', 'local', 'centralized', 'fedprox', 'scaffold', 'ditto', 'fedavgm', 'fedadagrad', 'fedadam', 'fedyogi'],
  ...['ffa-lora', 'fedsa-lora', 'rolora', 'hetlora', 'flexlora', 'flora', 'fedex-lora', 'perfit'],
  ...['florist', 'fedrot-lora', 'lora-fair', 'clustered'],
];
const RANKS = '[4, 2, 4, 1, 3, 4, 2, 4]';
const DEVICES = '[{name: fast, tokens_per_second: 4000}, {name: slow, tokens_per_second: 300}]';

const CASES = [
  ...METHODS.map((method) => ({ name: method, set: { method } })),
  ...['fedmut', 'fedqp', 'fedmut-released'].flatMap((mutation) => [
    { name: `fedavg+${mutation}`, set: { method: 'fedavg', mutation } },
    { name: `perfit+${mutation}`, set: { method: 'perfit', mutation } },
  ]),
  { name: 'fedqp-clients', set: { method: 'fedavg', mutation: 'fedqp', qp_constraints: 'clients', mutate: 'both' } },
  { name: 'fedqp-cone', set: { method: 'ffa-lora', mutation: 'fedqp', cone_degrees: 60, centered: true, beta_0: 0.5 } },
  { name: 'ditto+fedmut', set: { method: 'ditto', mutation: 'fedmut', also_local: true } },
  { name: 'hetlora+fedqp', set: { method: 'hetlora', mutation: 'fedqp', rank_per_client: RANKS } },
  { name: 'fedex+fedmut', set: { method: 'fedex-lora', mutation: 'fedmut' } },
  ...['median', 'trimmed_mean', 'krum', 'multi_krum', 'norm_clip'].map((robust) => ({
    name: `robust-${robust}`,
    set: { method: 'fedavg', robust },
  })),
  { name: 'perfit-median', set: { method: 'perfit', robust: 'median' } },
  { name: 'perfit-rank', set: { method: 'perfit', prune: 'rank', finetune_steps: 2, also_local: true } },
  { name: 'perfit-late-search', set: { method: 'perfit', search_round: 2, search_every: 1, prune_scope: 'global' } },
  { name: 'perfit-ranks', set: { method: 'perfit', rank_per_client: RANKS, mutation: 'fedqp' } },
  ...['hetlora', 'flexlora', 'flora', 'local'].map((method) => ({
    name: `${method}-ranks`,
    set: { method, rank_per_client: RANKS },
  })),
  { name: 'async', set: { method: 'fedavg', async_buffer: 3, devices: DEVICES, clients_per_round: 5 } },
  { name: 'async-perfit', set: { method: 'perfit', async_buffer: 2, devices: DEVICES, dropout_rate: 0.2 } },
  { name: 'deadline-drop', set: { method: 'ditto', devices: DEVICES, deadline: 1.5, also_local: true } },
  { name: 'deadline-discount', set: { method: 'fedavg', devices: DEVICES, deadline: 1.5, late: 'discount' } },
  { name: 'sampled', set: { method: 'fedsa-lora', clients_per_round: 3, sampling: 'size', dropout_rate: 0.2 } },
  { name: 'scaffold-sampled', set: { method: 'scaffold', clients_per_round: 4, mutation: 'fedmut' } },
  { name: 'options', set: { lora_dropout: 0.1, use_rslora: true, checkpointing: true, finetune_epochs: 0.5 } },
].flatMap(({ name, set }) =>
  ['f32', 'int8'].map((precision) => ({ name: `${name}/${precision}`, set: { ...set, precision } })),
);

const root = fileURLToPath(new URL('..', import.meta.url));
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    cli: { type: 'string', default: join(root, 'dist/cli/main.js') },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const [mode, file] = positionals;
if ((mode !== 'record' && mode !== 'compare') || !file) {
  console.error(
    'Expected: bits.mjs record FILE or bits.mjs compare FILE [--only SUBSTRING] [--cli PATH] [--set KEY=VALUE ...]',
  );
  process.exit(2);
}

const sha256 = (content) => createHash('sha256').update(content).digest('hex');

function hashTree(dir) {
  return Object.fromEntries(
    readdirSync(dir, { recursive: true })
      .map((name) => join(dir, name))
      .filter((path) => statSync(path).isFile())
      .sort()
      .map((path) => [relative(dir, path), sha256(readFileSync(path))]),
  );
}

function runCase({ set }) {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-bits-'));
  try {
    const settings = Object.entries({ ...SMALL, ...set }).map(([key, value]) => `${key}=${value}`);
    const flags = [...settings, ...values.set].flatMap((setting) => ['--set', setting]);
    const args = [values.cli, 'run', '--output-dir', join(dir, 'run'), ...flags];
    const done = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
    if (done.status !== 0) return { error: done.stderr.trim().split('\n').at(-1) };
    const { timing: _, traffic, ...metrics } = JSON.parse(readFileSync(join(dir, 'run/metrics.json'), 'utf8'));
    return { adapters: hashTree(join(dir, 'run/adapters')), traffic, metrics };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Paths at which two values differ. */
function differences(before, after, path = '') {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) {
    return Object.is(before, after) ? [] : [`${path}: ${before} -> ${after}`];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences(before[key], after[key], path === '' ? key : `${path}.${key}`));
}

function compareCase(before, after) {
  if (before.error || after.error) {
    return before.error === after.error ? [] : [`error: ${before.error ?? 'none'} -> ${after.error ?? 'none'}`];
  }
  const traffic = Object.keys(before.traffic)
    .filter((key) => Math.abs(after.traffic[key] - before.traffic[key]) > TRAFFIC_TOLERANCE * before.traffic[key])
    .map((key) => `traffic.${key}: ${before.traffic[key]} -> ${after.traffic[key]}`);
  return [
    ...differences(before.adapters, after.adapters, 'adapters'),
    ...differences(before.metrics, after.metrics, 'metrics'),
    ...traffic,
  ];
}

const cases = CASES.filter(({ name }) => name.includes(values.only));
if (mode === 'record') {
  const records = {};
  for (const one of cases) {
    records[one.name] = runCase(one);
    console.log(`${one.name}${records[one.name].error ? `: ${records[one.name].error}` : ''}`);
  }
  writeFileSync(file, `${JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, cases: records }, null, 1)}\n`);
  process.exit(0);
}
const { cases: recorded } = JSON.parse(readFileSync(file, 'utf8'));
let unlike = 0;
for (const one of cases) {
  if (!recorded[one.name]) continue;
  const found = compareCase(recorded[one.name], runCase(one));
  if (found.length > 0) unlike++;
  console.log(
    found.length === 0
      ? `same   ${one.name}`
      : `UNLIKE ${one.name}\n  ${found.slice(0, 12).join('\n  ')}${found.length > 12 ? `\n  and ${found.length - 12} more` : ''}`,
  );
}
console.log(`${cases.length - unlike} same, ${unlike} unlike`);
process.exit(unlike === 0 ? 0 : 1);
