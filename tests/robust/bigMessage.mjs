// One end of a link over which one large request goes down and a reply as large comes back; the compiled library.
//   bigMessage.mjs coordinator FOLDER OWNER MEGABYTES
//   bigMessage.mjs owner KEYS MEGABYTES
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { openConnection } from '../../dist/federation/connection.js';
import { connectAs } from '../../dist/federation/coordinator.js';
import { FederationFolder } from '../../dist/federation/folder.js';
import { publicKeyOf } from '../../dist/federation/keys.js';
import { NatsLink } from '../../dist/federation/link.js';
import { serveTasks } from '../../dist/federation/tasks.js';
import { encodeMessage, joinMessage } from '../../dist/links/index.js';
import { sha256 } from '../../dist/sha256.js';

const [role, path, ...rest] = process.argv.slice(2);
const size = (Number(rest.at(-1)) * 1024 * 1024) / 4;
const parts = (step) => ({
  adapter: {
    ...{ ranks: 1, factors: 'both', mask: 'none', bits: new Uint8Array(0) },
    values: Float32Array.from({ length: size }, (_, i) => ((i * step) % 9973) / 9973),
  },
});
const digestOf = ({ values }) => sha256(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** Messages that an owner's stream was ever given. */
async function messages(name) {
  const federation = FederationFolder.open(path);
  const connection = await connectAs(federation, 'coordinator');
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(publicKeyOf(federation.owner(name).account));
  await connection.close();
  return state.last_seq;
}

async function coordinator() {
  const link = new NatsLink({
    ...{ federation: FederationFolder.open(path), run: randomUUID(), owners: [rest[0]], maxReplyBytes: 1 << 28 },
    onStatus: (status) => say({ status }),
  });
  const before = await messages(rest[0]);
  const train = { kind: 'train', arm: 'main', round: 1, turn: 1, attempt: 0, seed: 1, state: 0, keep: [], note: null };
  const { reply, bytesDown, bytesUp } = await link.ask(rest[0], { ...train, parts: parts(7) });
  await link.close();
  const isWhole = digestOf(reply.parts.adapter) === digestOf(parts(11).adapter);
  say({ isWhole, bytesDown, bytesUp, messages: (await messages(rest[0])) - before });
}

async function owner() {
  const keys = JSON.parse(readFileSync(path, 'utf8'));
  const { url, ca, jwt, user: seed, owner: name, account, signing, coordinator } = keys;
  const onStatus = (status) => say({ status });
  const connection = await openConnection({ url, ca, jwt, seed, name }, { wait: true, onStatus });
  const signal = new AbortController();
  await serveTasks({
    ...{ connection, onStatus, maxBytes: 1 << 28, signal: signal.signal },
    identity: { name, account, signing, coordinator },
    answer: async ({ bytes }) => {
      say({ received: bytes.length });
      const update = { kind: 'update', round: 1, turn: 1, note: null, losses: [1], seconds: Float64Array.of(1) };
      const tokens = { train: 1, search: 0, targets: 1 };
      return joinMessage(encodeMessage({ ...update, tokens, parts: parts(11) }));
    },
  });
}

await (role === 'coordinator' ? coordinator() : owner());
