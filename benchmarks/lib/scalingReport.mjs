import { bytes, number, percent, table, withRange } from './markdown.mjs';
import { partsReport } from './parts.mjs';

const line = (name, { slope, intercept, r2 }) =>
  `Straight line through ${name}: ${number(slope)} s each, ${number(intercept)} s fixed, R² ${r2.toFixed(4)}.`;

/** What a round of so many clients takes longer than their steps on the engine alone; earlier results do not say. */
function beside({ seconds, engine_seconds: alone, workers, clients }) {
  if (alone === undefined) return ['', ''];
  return [percent(seconds / alone - 1), `${((1000 * (seconds - alone) * workers) / clients).toFixed(0)} ms`];
}

const BESIDE = ['beside it', 'of a worker, an owner', 'CPU, an owner'];

/** Speed of the engine alone, and what a round takes longer: its share, and milliseconds of a worker and of all cores for an owner. */
function besideEngine(row) {
  const more = ((row.round_seconds - row.engine_seconds) * row.workers) / row.owners;
  const cpu = (row.round_cpu_seconds - row.engine_cpu_seconds) / row.owners;
  return [
    number(row.round_tokens / row.engine_seconds),
    percent(row.round_seconds / row.engine_seconds - 1),
    `${(1000 * more).toFixed(0)} ms`,
    `${(1000 * cpu).toFixed(0)} ms`,
  ];
}

const RENDER = {
  clients: ({ rows, time, memory_per_client_bytes: more, state_per_client_bytes: state }) => [
    '## Clients (one round, two workers)',
    table(
      ['clients', 'seconds', 'seconds a client', 'beside the engine', 'of a worker, a client', 'peak memory'],
      rows.map((row) => [
        row.clients,
        number(row.seconds),
        number(row.seconds / row.clients),
        ...beside(row),
        bytes(row.peak_rss_bytes),
      ]),
    ),
    'Beside the engine: what a round takes longer than its steps on the engine alone, with as many workers; ≤ 5 % and ≤ 50 ms wanted.',
    ...(time === undefined ? [] : [line('two and more', time)]),
    ...(more === undefined
      ? []
      : [`A further client adds ${bytes(more)}; its adapter with both moments is ${bytes(state)}.`]),
  ],
  work: ({ rounds, examples, roundsLine, examplesLine }) => [
    '## Rounds and examples (two clients)',
    table(
      ['rounds', 'seconds'],
      rounds.map((row) => [row.rounds, number(row.seconds)]),
    ),
    line('the rounds', roundsLine),
    table(
      ['examples a client', 'seconds'],
      examples.map((row) => [row.examples, number(row.seconds)]),
    ),
    line('the examples', examplesLine),
  ],
  lengths: ({ tokens, rows }) => [
    `## Sequence length (${tokens} tokens a step)`,
    table(
      ['length', 'tokens/s', 'attention, s a step', 'all else, s a step', 'peak memory'],
      rows.map((row) => [
        row.length,
        number(row.tokens_per_second),
        number(row.attention_seconds),
        number(row.other_seconds),
        bytes(row.peak_rss_bytes),
      ]),
    ),
  ],
  threads: ({ against, peak, two_workers: workers, two_threads: wide, kernels }) => [
    '## From one thread to two',
    table(
      ['', 'times as fast', 'share of the peak program', 'wanted'],
      [
        [`peak program, ${against} (kernel set ${kernels})`, number(peak), '', ''],
        ['two workers of one thread', number(workers), number(workers / peak), '>= 0.9'],
        ['one worker of two threads', number(wide), number(wide / peak), '>= 0.85'],
      ],
    ),
  ],
  sources: ({ rows }) => [
    '## What the speed comes from: one thing left out at a time',
    table(
      ['left out', 'examples/s with it', 'without it', 'times as fast', 'peak memory with it', 'without it'],
      rows.map((row) => [
        row.what,
        withRange(row.with.median, row.with.min, row.with.max),
        withRange(row.without.median, row.without.min, row.without.max),
        number(row.with.median / row.without.median),
        bytes(row.with.peak_rss_bytes),
        bytes(row.without.peak_rss_bytes),
      ]),
    ),
  ],
  recompute: ({ rows }) => [
    '## Recomputing activations',
    table(
      ['case', 'tokens/s', 'peak memory', 'activations and moments'],
      rows.map((row) => [
        `${row.case}, ${row.checkpointing ? 'recomputed' : 'kept'}`,
        number(row.tokens_per_second),
        bytes(row.peak_rss_bytes),
        bytes(row.trainer_bytes),
      ]),
    ),
  ],
  load: ({ rows }) => [
    '## Opening a model (wanted: int8 in at most 1.5 s)',
    table(
      [
        'model',
        'header and tokenizer, s',
        'weights, s',
        'trainer, s',
        'weights in the file',
        'weights in memory',
        'memory added',
      ],
      rows.map((row) => [
        `${row.model}, ${row.precision}`,
        number(row.header_seconds),
        number(row.base_seconds),
        number(row.trainer_seconds),
        bytes(row.file_bytes),
        bytes(row.base_bytes),
        bytes(row.rss_added_bytes),
      ]),
    ),
  ],
  merge: ({ rows, adapters, values }) => [
    `## Merging ${adapters} adapters of ${values / 1e6} M values (wanted: half of a plain read, at most two adapters of memory)`,
    table(
      ['', 'seconds', 'GB/s', 'plain read, GB/s', 'share', 'memory above the inputs, adapters'],
      rows.map((row) => [
        row.masked ? 'masked' : 'dense',
        number(row.seconds),
        number(row.merge_gb_per_second),
        number(row.read_gb_per_second),
        percent(row.share),
        number(row.above_inputs_bytes / (4 * values)),
      ]),
    ),
    'The plain read sums 1.3 GB of words with as many threads.',
  ],
  javascript: (part) => [
    '## JavaScript in a step of eight conversations (wanted: at most 3 %)',
    table(
      ['', 'share of a step'],
      [
        ['tokenising (every example as if it came once)', percent(part.tokenise_share)],
        ['packing', percent(part.pack_share)],
        ['both', percent(part.javascript_share)],
        ['native, outside of kernels', percent(part.outside_kernels_share)],
      ],
    ),
  ],
  owners: ({ rows, batch, length, rank }) => [
    `## Whole runs (rank ${rank}, two workers, steps of ${batch} x ${length} tokens)`,
    table(
      [
        'owners',
        'steps a round',
        'tokens/s',
        'engine alone',
        ...BESIDE,
        'merge',
        'after it',
        'time left',
        'peak memory',
      ],
      rows.map((row) => [
        `${row.owners}, ${row.method}${row.checkpointing ? ', checkpointing' : ''}`,
        row.localSteps,
        number(row.round_tokens / row.round_seconds),
        ...(row.engine_seconds === undefined ? ['', '', '', ''] : besideEngine(row)),
        `${number(row.merge_seconds)} s`,
        `${number(row.after_seconds)} s`,
        percent(row.time_left_error),
        bytes(row.peak_rss_bytes),
      ]),
    ),
    'A round from its first request to its merge, against the same steps on the engine alone with as many workers; ≤ 5 % and ≤ 50 ms wanted. CPU: seconds of all cores, which other work on the machine changes less. After it: two examples of each owner scored, events, checkpoint. Time left: what was shown after the first round against what it took, within 15 % wanted. Peak memory: < 700 MB and < 1 GB wanted.',
  ],
};

/** All parts as Markdown, in the order of `names`. */
export const scalingReport = (content, names) =>
  partsReport(['# How the cost grows', '', 'Made by `npm run bench:scaling`.'], content, names, RENDER);
