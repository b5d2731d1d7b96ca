#!/usr/bin/env node
// What the server's half of each method costs beside the training of its clients:
//   npm run bench:bookkeeping -- [--clients 200] [--rank 16] [--rounds 3] [--methods fedavg,perfit+fedqp] [--json]
// The clients' halves are real, their training is not: every update is what was received plus noise (after a search, under
// a random mask). Seconds are those of send, aggregate and offer; the training that they are held against is measured in the
// same run, in SmolLM2-135M's shape: `--steps` optimizer steps of 4 x 256 tokens a client.
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { makeCase } from './lib/cases.mjs';
import { rates, runOurs } from './lib/ours.mjs';
import { library } from './lib/paths.mjs';
import { makeRandom } from './lib/random.mjs';
import { SHAPES } from './lib/shapes.mjs';

const { values: options } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    rank: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '10' },
    methods: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const numClients = Number(options.clients);
const rank = Number(options.rank);
const numRounds = Number(options.rounds);
const TOKENS_A_STEP = 4 * 256;

const { makeLayout } = await library('adapter/layout.js');
const { initialValues } = await library('adapter/init.js');
const { METHODS, methodOf } = await library('methods/index.js');
const { methodOptions } = await library('config/methodOptions.js');
const { makeTrainPhase } = await library('methods/schedule.js');
const { parseConfig } = await library('config/parse.js');
const { nativeArithmetic } = await library('run/arithmetic.js');
const { makeContext } = await library('server/context.js');

/** Rows of the table: a method, with what is put on top of it. */
const ROWS = [
  ...METHODS,
  'fedavg+fedmut',
  'fedavg+fedqp',
  'fedavg+fedqp-clients',
  'perfit+fedqp',
  'fedavg+median',
  'fedavg+trimmed_mean',
  'fedavg+krum',
  'fedavg+norm_clip',
  'perfit+median',
];
const MUTATIONS = { fedmut: {}, fedqp: {}, 'fedqp-clients': { mutation: 'fedqp', qp_constraints: 'clients' } };

function configOf(row) {
  const [method, extra] = row.split('+');
  const more =
    extra === undefined ? {} : extra in MUTATIONS ? { mutation: extra, ...MUTATIONS[extra] } : { robust: extra };
  // Rounds are few, so they are mutated from the first one on that can be.
  return parseConfig({
    method,
    mutation_start: 2,
    num_rounds: numRounds,
    lora_r: rank,
    local_steps: Number(options.steps),
    ...more,
  });
}

function layoutOf(shape) {
  const { hiddenSize: h, ffnSize: f, numHeads, numKvHeads, headDim, numLayers } = shape;
  const [q, kv] = [numHeads * headDim, numKvHeads * headDim];
  const linear = [
    ['attn_q', h, q],
    ['attn_k', h, kv],
    ['attn_v', h, kv],
    ['attn_output', q, h],
    ['ffn_gate', h, f],
    ['ffn_up', h, f],
    ['ffn_down', f, h],
  ];
  return makeLayout(
    Array.from({ length: numLayers }, (_, layer) =>
      linear.map(([target, inDim, outDim]) => ({
        ...{ module: `blk.${layer}.${target}`, layer, target, inDim, outDim, rank, scale: 2 },
      })),
    ).flat(),
  );
}

/** Noise and random bits that all pretended training takes, each client from another place on; the length is a power of 2. */
const POOL = 2 ** 20;
const random = makeRandom(1);
const NOISE = Float32Array.from({ length: POOL }, () => 1e-3 * random.signed());
const BITS = Uint8Array.from({ length: POOL }, () => random.next() & 1);

/** What training might have made of the track that travels: noise on what may be trained, a random mask after a search. */
function pretend(track, place) {
  const { layout, values: before, mask } = track.adapter;
  const { trainable, wantMeanGradient } = track.phases.at(-1);
  const searches = track.phases.some(({ kind }) => kind === 'search');
  const found = searches ? new Uint8Array(layout.size) : mask;
  const values = new Float32Array(layout.size);
  const at = place * 7919;
  for (let p = 0; p < values.length; p++) {
    const q = (at + p) & (POOL - 1);
    if (searches) found[p] = BITS[q];
    if (found !== null && found[p] === 0) continue;
    values[p] = trainable !== null && trainable[p] === 0 ? before[p] : before[p] + NOISE[q];
  }
  return {
    ...untrained(track),
    adapter: { layout, values, mask: found },
    meanGradient: wantMeanGradient ? values : null,
  };
}

/** A track as it began; what stays with its client is no matter to the server. */
function untrained({ name, adapter }) {
  return { name, adapter, losses: [], meanGradient: null, tokens: { train: 0, search: 0, targets: 0 } };
}

function measure(row, layout) {
  const config = configOf(row);
  const method = methodOf(config.method);
  const clients = Array.from({ length: numClients }, (_, i) => ({
    id: `client-${String(i).padStart(4, '0')}`,
    numTrain: 50 + i,
    numTargets: 1000,
    rank,
  }));
  const initial = initialValues(layout, 1);
  const init = { layout, initial, seed: 1, numRounds, options: methodOptions(method, config) };
  const server = method.server({ ...init, merge: config, clients, arithmetic: nativeArithmetic });
  const client = method.client(init);
  const states = new Map();
  const seconds = [];
  for (let round = 1; round <= numRounds; round++) {
    const context = makeContext({ config, round, clients, nextClients: clients, allClients: clients });
    let begun = performance.now();
    const sendings = new Map(server.send(context));
    let taken = performance.now() - begun;
    const updates = [...sendings.keys()].map((id, k) => {
      const sending = sendings.get(id);
      // As owners have them: what was sent is not here beside what comes back.
      sendings.delete(id);
      const info = clients.find((other) => other.id === id) ?? { id, numTrain: 1000, numTargets: 1, rank };
      const own = {
        client: info,
        round,
        trainPhase: (overrides) => makeTrainPhase(config, round, info.numTrain, overrides),
      };
      const results = client
        .work(sending, states.get(id), own)
        .map((track) => (track.name === 'main' ? pretend(track, round * 1000 + k) : untrained(track)));
      const { state, parts, note } = client.keep(sending, results, states.get(id), own);
      states.set(id, state);
      return { client: id, round, parts, note };
    });
    begun = performance.now();
    server.aggregate(updates, context);
    for (const info of clients) server.offer(info);
    taken += performance.now() - begun;
    seconds.push(taken / 1000);
  }
  // The first round has no global step yet and searches; the later ones are the rule.
  return { row, seconds, worst: seconds.reduce((most, value) => Math.max(most, value), 0) };
}

const layout = layoutOf(SHAPES['smollm2-135m']);
const timed = rates(await runOurs(await makeCase('full'), { steps: 3 }));
const training = (numClients * Number(options.steps) * TOKENS_A_STEP) / timed.tokens_per_second;
const header = `${numClients} clients x ${(layout.size / 1e6).toFixed(2)} M values, ${cpus().length} x ${cpus()[0].model}; a round trains ${training.toFixed(0)} s (${options.steps} steps of ${TOKENS_A_STEP} tokens a client at ${timed.tokens_per_second.toFixed(0)} tokens/s)`;
if (!options.json) console.log(header);
const rows = [];
for (const row of options.methods?.split(',') ?? ROWS) {
  const result = measure(row, layout);
  rows.push({ ...result, share: result.worst / training });
  if (!options.json) {
    console.log(
      `${row.padEnd(22)} ${result.seconds.map((value) => value.toFixed(2).padStart(7)).join('')} s   ${(100 * rows.at(-1).share).toFixed(2)} % of the training`,
    );
  }
}
if (options.json) console.log(JSON.stringify({ header, training_seconds: training, rows }));
