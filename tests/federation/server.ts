import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll } from 'vitest';
import type { OwnerHome } from '../../src/client/owner.js';
import type { Request } from '../../src/contracts/messages.js';
import { openConnection } from '../../src/federation/connection.js';
import { FederationFolder } from '../../src/federation/folder.js';
import { inviteOwner } from '../../src/federation/invite.js';
import { NatsLink, type NatsOptions } from '../../src/federation/link.js';
import { type RunningServer, startNatsServer } from '../../src/federation/natsServer.js';
import { type OwnerKeys, takeUpInvite } from '../../src/federation/ownerHome.js';
import { startRegistrar } from '../../src/federation/registrar.js';
import { serveTasks, type TaskOptions } from '../../src/federation/tasks.js';
import { decodeRequest, joinMessage } from '../../src/links/codec.js';
import { EngineHost } from '../../src/links/engineHost.js';
import type { Link } from '../../src/links/link.js';
import { OwnerServer } from '../../src/links/serve.js';

/** A port that nobody uses, for a moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const quiet = (...a: unknown[]) => {
  if (process.env.NATS_DEBUG) console.log(...a);
};

/** A real nats-server with a federation, and owners that took up their invites. */
export class TestFederation {
  readonly root = mkdtempSync(join(tmpdir(), 'fedtune-nats-'));
  folder!: FederationFolder;
  server!: RunningServer;
  coordinator!: NatsConnection;
  readonly owners = new Map<string, OwnerKeys>();

  async start(): Promise<void> {
    this.folder = await FederationFolder.create(join(this.root, 'net'), `nats://127.0.0.1:${await freePort()}`);
    this.server = await startNatsServer(this.folder, '127.0.0.1');
    this.coordinator = await this.connect('coordinator');
    startRegistrar(this.folder, this.coordinator, quiet);
  }

  /** A connection of the coordinator, or of an owner. */
  async connect(who: 'coordinator' | OwnerKeys, url = this.folder.endpoint.url): Promise<NatsConnection> {
    const { ca, keys } = this.folder;
    const as =
      who === 'coordinator'
        ? { jwt: await this.folder.userJwt('coordinator'), seed: keys.user, name: who }
        : { jwt: who.jwt!, seed: who.user, name: who.owner };
    return openConnection({ url, ca, ...as }, { wait: false });
  }

  async join(name: string): Promise<OwnerKeys> {
    const known = this.owners.get(name);
    if (known) return known;
    const { invite } = await inviteOwner(this.folder, name, { rotate: false, validHours: 1 });
    const signal = new AbortController().signal;
    const keys = await takeUpInvite(join(this.root, name), invite, { signal, onStatus: quiet });
    this.owners.set(name, keys);
    return keys;
  }

  /** An agent of that owner in this process, until `stop`. */
  async serve(
    name: string,
    answer: TaskOptions['answer'],
    more: Partial<TaskOptions> = {},
  ): Promise<{ stop(): Promise<void>; readonly ended: Promise<unknown>; readonly connection: NatsConnection }> {
    const keys = await this.join(name);
    const connection = more.connection ?? (await this.connect(keys));
    const controller = new AbortController();
    const identity = { name, account: keys.account, signing: keys.signing, coordinator: keys.coordinator };
    const ended = serveTasks({
      ...{ connection, identity, maxBytes: 1e9, answer, signal: controller.signal, onStatus: quiet },
      ...more,
    }).catch((error: unknown) => error);
    const stop = async () => {
      controller.abort();
      await ended;
      await connection.close();
    };
    return { stop, ended, connection };
  }

  /** A link to these homes, each with an agent in this process. */
  async open(
    homes: readonly OwnerHome[],
    more: Partial<NatsOptions> = {},
    before: (owner: string, request: Request) => Promise<void> = async () => {},
    alter: (owner: string, kind: Request['kind'], reply: Uint8Array) => Uint8Array = (_owner, _kind, reply) => reply,
  ): Promise<Link> {
    const host = new EngineHost({ threads: 1, throwIfStopped: () => {} });
    const server = new OwnerServer(host);
    let last: Promise<unknown> = Promise.resolve();
    const agents = await Promise.all(
      homes.map((home) =>
        this.serve(home.id, async ({ bytes }) => {
          const request = decodeRequest(bytes);
          await before(home.id, request);
          const answer = last.then(async () =>
            alter(home.id, request.kind, joinMessage(await server.answer(home, bytes))),
          );
          last = answer;
          return answer;
        }),
      ),
    );
    const owners = homes.map(({ id }) => id);
    const link = new NatsLink({
      federation: this.folder,
      run: randomUUID(),
      owners,
      maxReplyBytes: 1 << 28,
      onStatus: quiet,
      ...more,
    });
    return {
      workers: link.workers,
      ask: (owner, request) => link.ask(owner, request),
      close: async () => {
        await link.close();
        await Promise.all(agents.map((agent) => agent.stop()));
        host.dispose();
      },
    };
  }

  async stop(): Promise<void> {
    await this.coordinator?.close();
    await this.server?.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A federation for all tests of a file. */
export function testFederation(): TestFederation {
  const federation = new TestFederation();
  beforeAll(() => federation.start(), 60_000);
  afterAll(() => federation.stop(), 60_000);
  return federation;
}
