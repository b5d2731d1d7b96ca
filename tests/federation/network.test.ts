import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { TrainRequest, Update } from '../../src/contracts/messages.js';
import { NatsLink } from '../../src/federation/link.js';
import { PIECE } from '../../src/federation/pieces.js';
import { encodeMessage, joinMessage } from '../../src/links/codec.js';
import { randomStream } from '../../src/random.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 120_000 });

const federation = testFederation();
const MEGABYTE = 1024 * 1024;

/** An adapter of ten megabytes, as SmolLM2-135M has with rank 8. */
function tenMegabytes(seed: string): Float32Array {
  const random = randomStream(1, seed);
  return Float32Array.from({ length: (10 * MEGABYTE) / 4 }, () => random() - 0.5);
}
const parts = (seed: string) => ({
  adapter: { ranks: 1, factors: 'both', mask: 'none', values: tenMegabytes(seed), bits: new Uint8Array(0) } as const,
});
const TRAIN: TrainRequest = {
  ...{ kind: 'train', arm: 'main', round: 1, turn: 1, attempt: 0, seed: 1, state: 0, keep: [], note: null },
  parts: parts('down'),
};
const UPDATE: Update = {
  ...{ kind: 'update', round: 1, turn: 1, parts: parts('up'), note: null, losses: [1] },
  ...{ tokens: { train: 1, search: 0, targets: 1 }, seconds: Float64Array.of(1) },
};
const reply = joinMessage(encodeMessage(UPDATE));

const bytesOf = ({ parts: { adapter } }: Update): Buffer => {
  const { buffer, byteOffset, byteLength } = adapter!.values;
  return Buffer.from(buffer, byteOffset, byteLength);
};

function linkTo(owner: string): NatsLink {
  const link = new NatsLink({
    federation: federation.folder,
    run: randomUUID(),
    owners: [owner],
    maxReplyBytes: 1 << 26,
  });
  onTestFinished(() => link.close());
  return link;
}

/** Stands before the server, counts what goes up, and breaks every connection after so many bytes of it. */
async function breakingProxy(everyBytes: number) {
  const { port } = federation.folder.endpoint;
  const counted = { up: 0, breaks: 0, limit: everyBytes };
  const server = createServer((client: Socket) => {
    const upstream = connect(port, '127.0.0.1');
    let passed = 0;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on('data', (bytes) => {
      passed += bytes.length;
      counted.up += bytes.length;
      upstream.write(bytes);
      if (passed < counted.limit) return;
      counted.breaks++;
      end();
    });
    upstream.on('data', (bytes) => client.write(bytes));
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { counted, url: `nats://127.0.0.1:${(server.address() as { port: number }).port}` };
}

describe('the way between owner and coordinator', () => {
  it('costs less than two hundredths beyond the encoded adapters, either way', async () => {
    const agent = await federation.serve('north', async () => reply);
    onTestFinished(() => agent.stop());
    await agent.connection.flush();
    const before = agent.connection.stats();
    const { bytesDown, bytesUp } = await linkTo('north').ask('north', TRAIN);
    const after = agent.connection.stats();
    expect(bytesDown).toBeGreaterThan(10 * MEGABYTE);
    expect(bytesUp).toBe(reply.length);
    const [down, up] = [after.inBytes - before.inBytes, after.outBytes - before.outBytes];
    expect(down).toBeGreaterThanOrEqual(bytesDown);
    expect(up).toBeGreaterThanOrEqual(bytesUp);
    expect(down).toBeLessThan(1.02 * bytesDown);
    expect(up).toBeLessThan(1.02 * bytesUp);
  });

  it('may break again and again: all arrives, and what had arrived is not sent again', async () => {
    const keys = await federation.join('south');
    const { counted, url } = await breakingProxy(6 * MEGABYTE);
    const connection = await federation.connect(keys, url);
    let trained = 0;
    const agent = await federation.serve(
      'south',
      async () => {
        trained++;
        return reply;
      },
      { connection },
    );
    onTestFinished(() => agent.stop());
    const answer = await linkTo('south').ask('south', TRAIN);
    expect(Buffer.compare(bytesOf(answer.reply), bytesOf(UPDATE))).toBe(0);
    expect(trained).toBe(1);
    expect(counted.breaks).toBeGreaterThan(0);
    // At most a window of pieces is under way when a connection breaks.
    expect(counted.up).toBeLessThan(reply.length + counted.breaks * 4 * PIECE + MEGABYTE);
  });
});
