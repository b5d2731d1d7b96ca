/** The parts of `npm run bench:distribution`. */
import { performance } from 'node:perf_hooks';
import { makeCase } from './cases.mjs';
import { Net } from './distributionNet.mjs';
import { runFederation } from './federation.mjs';
import { Flower } from './flower.mjs';
import { treeCpuSeconds, watchMemory } from './processTree.mjs';
import { randomModel } from './randomModel.mjs';
import { median, spread } from './stats.mjs';

const OWNERS = 8;
const MODEL = 'smollm2-135m';
const SMOLLM2 = { lora_r: 8, lora_alpha: 16 };

/** Seconds and CPU of each round from the end of the one before; the first is left out. `sides`: roots of processes by name. */
class RoundWatch {
  #marks = [];
  #sides;
  #memory;

  constructor(sides) {
    this.#sides = sides;
    this.#memory = watchMemory(sides);
  }

  merged(round) {
    const cpu = Object.fromEntries(Object.entries(this.#sides).map(([name, roots]) => [name, treeCpuSeconds(roots())]));
    this.#marks[round] = { at: performance.now() / 1000, cpu };
    if (round === 1) this.#memory.begin();
  }

  result() {
    const peak = this.#memory.stop();
    const later = this.#marks.slice(2).map((mark, i) => [mark, this.#marks[i + 1]]);
    const names = Object.keys(this.#sides);
    const byName = (of) => Object.fromEntries(names.map((name) => [name, of(name)]));
    return {
      round_seconds: spread(later.map(([mark, before]) => mark.at - before.at)),
      cpu_seconds: byName((name) => median(later.map(([mark, before]) => mark.cpu[name] - before.cpu[name]))),
      peak_bytes: byName((name) => peak[name]),
    };
  }
}

/** Rounds of owners whose training takes no time, over a real nats-server. */
async function ourRounds(net, settings, { deadline, onEvent } = {}) {
  let child;
  const watch = new RoundWatch({
    coordinator: () => (child ? [...net.servers, child.pid] : net.servers),
    run: () => (child ? [child.pid] : []),
    owners: () => net.owners,
  });
  const messages = { down: 0, up: 0 };
  const rounds = [];
  let before;
  const ended = await net.run(settings, {
    ...(deadline === undefined ? {} : { deadline }),
    onStart: (started) => {
      child = started;
    },
    onEvent: ({ what, round, merged, down, up }) => {
      if (what === 'described') before = net.traffic();
      onEvent?.(what, round);
      if (what !== 'merged') return;
      watch.merged(round);
      rounds.push({ round, merged });
      messages.down += down;
      messages.up += up;
    },
  });
  if (deadline === undefined && rounds.some(({ merged }) => merged !== net.owners.length)) {
    throw new Error(`Expected ${net.owners.length} owners in every round but merged ${JSON.stringify(rounds)}.`);
  }
  const after = net.traffic();
  const traffic = before && after && { down: after.down - before.down, up: after.up - before.up };
  return {
    ...watch.result(),
    rounds,
    message_bytes: messages,
    wire_bytes: traffic,
    beyond: traffic && (traffic.down + traffic.up) / (messages.down + messages.up) - 1,
    peak_rss_bytes: ended.peak_rss_bytes,
    adapter_bytes: ended.adapter_bytes,
  };
}

async function eightOwners({ quick }) {
  const model = await randomModel(MODEL);
  const net = await new Net().open(OWNERS);
  try {
    const joining = await net.join(1, model);
    return { join_seconds: joining, ...(await ourRounds(net, { ...SMOLLM2, model, num_rounds: quick ? 3 : 6 })) };
  } finally {
    await net.close();
  }
}

/** The same rounds with `runtime: threads`: one step of a few tokens, whose seconds are taken off. */
async function threadsRounds({ quick, threads }) {
  const rounds = quick ? 3 : 8;
  const testCase = await makeCase('single', { clients: OWNERS, rounds, localSteps: 1, length: 8 });
  const model = await randomModel(MODEL);
  const run = await runFederation(testCase, {
    ...{ model, precision: 'int8', kernels: 'auto', checkpointing: false, workers: threads, threads },
  });
  const later = (values) => median(values.slice(1));
  const training = later(run.job_seconds);
  return {
    round_seconds: spread(run.round_seconds.slice(1)),
    training_seconds: training,
    beyond_seconds: later(run.round_seconds.map((seconds, i) => seconds - run.job_seconds[i] / threads)),
    // With the training: how much of a step is CPU is not known where more threads want a core than there are.
    cpu_seconds: later(run.round_cpu_seconds),
  };
}

async function owners(options) {
  return { owners: OWNERS, nats: await eightOwners(options), threads: await threadsRounds(options) };
}

/** FedAvg as documented, with replies looked for at once, and the latter with next to nothing in a message. */
export const FLOWER_RUNS = {
  eager: { polling: 0.05, rounds: 3 },
  documented: { rounds: 3 },
  empty: { polling: 0.05, rounds: 3, values: 1 },
};

/**
 * One release of Flower beside ours.
 */
const against = (kind) => async (options) => {
  const ours = await eightOwners(options);
  const values = ours.adapter_bytes / 4;
  const flower = await new Flower(kind).open(OWNERS);
  const measure = async (settings) => {
    const watch = new RoundWatch({ coordinator: () => [flower.coordinator], owners: () => flower.owners });
    await flower.run({ values, ...settings }, (round) => watch.merged(round));
    return watch.result();
  };
  const result = { owners: OWNERS, ours, version: flower.version };
  try {
    for (const name of options.quick ? ['eager'] : options.flower) {
      console.error(`flwr ${flower.version}, ${name} ...`);
      result[name] = await measure(FLOWER_RUNS[name]);
    }
    return result;
  } finally {
    await flower.close();
  }
};

const LIGHT = { lora_r: 2, lora_alpha: 4 };

/** Rounds of the part `many`: the first is left out, in one of them owners end, and after it they come back. */
const MANY_ROUNDS = 6;
const DYING_ROUND = 4;

/** Many owners in few processes, of which one ends in the middle of a round, and is started again after it. */
async function many({ quick, count = quick ? 20 : 1000 }) {
  const processes = 5;
  const perProcess = Math.ceil(count / processes);
  const deadline = quick ? 10 : 25;
  const net = await new Net().open(count);
  try {
    const joinSeconds = await net.join(perProcess, 'embedded');
    const [dying] = net.agents;
    const settings = { ...LIGHT, model: 'embedded', num_rounds: MANY_ROUNDS, min_clients: 1, retries: 0 };
    const measured = await ourRounds(net, settings, {
      deadline,
      onEvent: (what, round) => {
        if (round !== DYING_ROUND) return;
        if (what === 'begun') setTimeout(() => dying.kill('SIGKILL'), quick ? 0 : 1000);
        if (what === 'merged') net.agents[0] = net.startAgents(dying.of, 'embedded');
      },
    });
    const missed = measured.rounds.find(
      ({ round, merged }) => round !== DYING_ROUND && round !== DYING_ROUND + 1 && merged < count,
    );
    if (missed) throw new Error(`Expected ${count} owners in round ${missed.round} but ${missed.merged} were merged.`);
    const { values } = measured.round_seconds;
    const rounds = measured.rounds.map((one, i) => ({ ...one, seconds: i === 0 ? null : values[i - 1] }));
    return {
      owners: count,
      processes,
      died: perProcess,
      dying_round: DYING_ROUND,
      deadline,
      join_seconds: joinSeconds,
      ...measured,
      rounds,
      // Who was killed took its counts along.
      beyond: null,
    };
  } finally {
    await net.close();
  }
}

export const PARTS = { owners, flower: against('flower'), 'flower-grpc': against('flower-grpc'), many };
