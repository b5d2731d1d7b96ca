import { bytes, number, table, withRange } from './markdown.mjs';
import { partsReport } from './parts.mjs';
import { sum } from './stats.mjs';

const seconds = ({ median, min, max }) => withRange(median, min, max);
const times = (value) => `${number(value)} x`;
const total = (sides) => sum(Object.values(sides));

const ROUND = 'A round: from one merge to the next, the first left out; median (smallest - largest).';

/** Sides of our own rounds: the run is one of the processes of the coordinator. */
const ourSides = ({ cpu_seconds: { coordinator, owners }, peak_bytes: peak }) => ({
  cpu: { coordinator, owners },
  memory: { coordinator: peak.coordinator, owners: peak.owners },
});
const flowerSides = ({ cpu_seconds: cpu, peak_bytes: memory }) => ({ cpu, memory });

function againstFlower({ owners, ours, version, documented, eager, empty }, note) {
  const us = ourSides(ours);
  const row = (name, result, sides) => [
    name,
    seconds(result.round_seconds),
    times(result.round_seconds.median / ours.round_seconds.median),
    number(total(sides.cpu)),
    bytes(sides.memory.coordinator),
    bytes(sides.memory.owners),
    times(total(sides.memory) / total(us.memory)),
  ];
  return [
    `## Against flwr ${version}${note} (${owners} owners, ${bytes(ours.adapter_bytes)} down and up, FedAvg)`,
    table(
      ['', 'seconds a round', 'of ours', 'CPU seconds', 'memory at the coordinator', 'of all owners', 'of ours, all'],
      [
        row('fedtune', ours, us),
        ...(documented ? [row('flwr, as documented', documented, flowerSides(documented))] : []),
        row('flwr, looking every 50 ms', eager, flowerSides(eager)),
        ...(empty ? [row('the same, with 4 bytes', empty, flowerSides(empty))] : []),
      ],
    ),
    `${ROUND} CPU: of all processes of both sides. Memory: the most in any moment (PSS, shared pages once). Clients of both answer at once with what they were sent; both merge by FedAvg. ` +
      'Flower: SuperLink and a SuperNode an owner, each of which starts its app in a process of its own, as is its default; one array, no TLS, state in memory, no evaluation. ' +
      '"As documented" is `FedAvg.start`, which looks for replies every 3 s; "looking every 50 ms" does the same with `push_messages` and `pull_messages`. ' +
      "With 4 bytes: what a round takes without arrays, most of it starting apps. At most half of Flower's time and memory was wanted.",
  ];
}

const RENDER = {
  owners: ({ owners, nats, threads }) => [
    `## ${owners} owners, adapters of ${bytes(nats.adapter_bytes)} (SmolLM2-135M, rank 8)`,
    table(
      [
        '',
        'seconds a round beyond training',
        'CPU seconds at the coordinator',
        'of them the run itself',
        'CPU seconds an owner',
      ],
      [
        [
          'runtime: threads',
          number(threads.beyond_seconds),
          `${number(threads.cpu_seconds)}, training and all`,
          '',
          '',
        ],
        [
          'runtime: nats',
          seconds(nats.round_seconds),
          number(nats.cpu_seconds.coordinator),
          number(nats.cpu_seconds.run),
          number(nats.cpu_seconds.owners / owners),
        ],
      ],
    ),
    `${ROUND} Owners of \`nats\` train in no time; each is a process of its own, as real agents are, with TLS, signatures and what it keeps on its disk. ` +
      `Of \`threads\` one step of 8 tokens an owner was taken off (${number(threads.training_seconds)} s for all).`,
    nats.beyond === undefined
      ? 'Bytes on the wire: not counted, as there is no `ss`.'
      : `Bytes on the wire beyond the encoded messages, with what TLS and NATS add: ${(100 * nats.beyond).toFixed(2)} % (${bytes(nats.wire_bytes.down + nats.wire_bytes.up)} for ${bytes(nats.message_bytes.down + nats.message_bytes.up)}; < 2 % wanted).`,
    `Memory: the run ${bytes(nats.peak_bytes.run)}, nats-server and \`fedtune federation serve\` ${bytes(nats.peak_bytes.coordinator - nats.peak_bytes.run)}, an agent ${bytes(nats.peak_bytes.owners / owners)}.`,
  ],
  flower: (part) => againstFlower(part, ''),
  'flower-grpc': (part) => againstFlower(part, ', the last one over gRPC'),
  many: (part) => [
    `## ${part.owners} owners in ${part.processes} processes, adapters of ${(part.adapter_bytes / 1000).toFixed(0)} kB`,
    table(
      ['round', 'seconds', 'owners merged'],
      part.rounds.map(({ round, seconds: took, merged }) => [
        round,
        took === null ? '(left out)' : number(took),
        merged,
      ]),
    ),
    `${part.died} owners were killed one second into round ${part.dying_round}, which closed by its deadline of ${part.deadline} s; they were started again after it. ` +
      `Wanted: a round under 30 s, the coordinator under 1 GB.`,
    `Memory at the coordinator: the run ${bytes(part.peak_bytes.run)}, nats-server and \`fedtune federation serve\` ${bytes(part.peak_bytes.coordinator - part.peak_bytes.run)}. ` +
      `CPU seconds a round: the run ${number(part.cpu_seconds.run)}, nats-server ${number(part.cpu_seconds.coordinator - part.cpu_seconds.run)}, all owners ${number(part.cpu_seconds.owners)}. ` +
      `All took up their invites within ${number(part.join_seconds)} s.`,
    `An owner costs the coordinator ${number((1000 * part.cpu_seconds.coordinator) / part.owners)} ms of CPU a round.`,
  ],
};

const HEAD = [
  '# Owners on machines of their own: what it costs',
  '',
  'Made by `npm run bench:distribution`; everything on one machine, over loopback.',
];

/** All parts as Markdown, in the order of `names`. */
export const distributionReport = (content, names) => partsReport(HEAD, content, names, RENDER);
