/**
 * A process with owners whose training takes no time, for distributionNet.mjs: real agents (connection, signatures, pieces, what an owner
 * keeps) that answer what they are asked at once, with an adapter of the shape that came.
 */
import { setMaxListeners } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { library } from './paths.mjs';

const { takeUpInvite, readInvite, openConnection, serveTasks, OwnerWork } = {
  ...(await library('federation/index.js')),
  ...(await library('federation/connection.js')),
  ...(await library('federation/tasks.js')),
  ...(await library('federation/ownerWork.js')),
};
const { limitsSchema } = await library('federation/limits.js');
const NONE = { examples: 0, tokens: 0, targets: 0 };

/** In the place of the process that would train. */
function idle({ home }) {
  const describe = ({ baseSha256, ...request }) => {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'run.json'), JSON.stringify({ ...request, baseSha256 }));
    return {
      ...{ kind: 'description', train: { examples: 10, tokens: 100, targets: 50 }, valid: NONE, test: NONE },
      ...{ categories: {}, dropped: { long: 0, empty: 0, refused: 0, repeated: 0 }, numCut: 0, numTargetsLost: 0 },
      ...{ dataSha256: '0'.repeat(64), baseSha256, kernels: 'none' },
    };
  };
  const train = ({ round, turn, parts }) => ({
    ...{ kind: 'update', round, turn, parts, note: null, losses: [1] },
    ...{ tokens: { train: 100, search: 0, targets: 50 }, seconds: Float64Array.of(0) },
  });
  const answers = { describe, train };
  return {
    workers: 1,
    ask: async (_, request) => ({ reply: answers[request.kind](request), bytesDown: 0, bytesUp: 0 }),
    close: async () => {},
  };
}

const { owners, data, model, isQuiet } = JSON.parse(process.argv[2]);
const controller = new AbortController();
const { signal } = controller;
const onStatus = (text) => {
  if (!isQuiet) console.error(text);
};
setMaxListeners(0, signal);

async function start({ invite, home }) {
  const keys = await takeUpInvite(home, readInvite(invite), { signal, onStatus });
  const access = { url: keys.url, ca: keys.ca, jwt: keys.jwt, seed: keys.user, name: keys.owner };
  const connection = await openConnection(access, { wait: true, signal, onStatus });
  const work = new OwnerWork({
    ...{ id: keys.owner, home, data: [data], model, limits: limitsSchema.parse({}), onStatus },
    accept: async () => true,
    open: idle,
  });
  const identity = { name: keys.owner, account: keys.account, signing: keys.signing, coordinator: keys.coordinator };
  void serveTasks({
    ...{ connection, identity, maxBytes: 2 ** 30, signal, onStatus },
    answer: (task) => work.answer(task),
  }).catch((error) => {
    if (!signal.aborted) console.error(`${keys.owner}: ${error.message}`);
  });
}

process.on('disconnect', () => process.exit());
// A few at a time: each takes up its invite with keys of its own.
for (let at = 0; at < owners.length; at += 20) await Promise.all(owners.slice(at, at + 20).map(start));
process.send('ready');
