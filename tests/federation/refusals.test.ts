import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { encodeUser } from '@nats-io/jwt';
import { createUser, fromSeed } from '@nats-io/nkeys';
import type { NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openConnection } from '../../src/federation/connection.js';
import { announce } from '../../src/federation/coordinator.js';
import { newUserSeed } from '../../src/federation/folder.js';
import { inviteOwner, readInvite, removeOwner } from '../../src/federation/invite.js';
import { publicKeyOf } from '../../src/federation/keys.js';
import { NatsLink } from '../../src/federation/link.js';
import { Mailbox } from '../../src/federation/mailbox.js';
import { type Manifest, openManifest, SIGNATURE, sealManifest } from '../../src/federation/manifest.js';
import { type OwnerKeys, takeUpInvite } from '../../src/federation/ownerHome.js';
import { putPieces, sha256Of } from '../../src/federation/pieces.js';
import { askToJoin } from '../../src/federation/registrar.js';
import { OWNER_SUBJECTS, subjectsOf } from '../../src/federation/subjects.js';
import { encodeMessage, joinMessage } from '../../src/links/codec.js';
import { randomStream } from '../../src/random.js';
import { TRAIN, UPDATE } from './exchange.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 60_000 });

const federation = testFederation();

const honest = joinMessage(encodeMessage(UPDATE));

const RUN = randomUUID();

function linkTo(owners: readonly string[], said: string[] = [], run = RUN): NatsLink {
  const link = new NatsLink({
    ...{ federation: federation.folder, run, owners, maxReplyBytes: 1 << 22 },
    onStatus: (text) => said.push(text),
  });
  onTestFinished(() => link.close());
  return link;
}

/** Tasks that were taken already, by id. */
const taken = new Set<string>();

/** An owner's connection, its own box, and the next task that it is given. */
async function odd(name: string) {
  const keys = await federation.join(name);
  const connection = await federation.connect(keys);
  onTestFinished(() => connection.close());
  const box = new Mailbox(connection, name, `${OWNER_SUBJECTS.get}.`, () => {});
  const task = async (): Promise<Manifest> => {
    for (;;) {
      const found = await box.get(subjectsOf(keys.account).task);
      const manifest =
        found && openManifest(found.payload, found.header(SIGNATURE), keys.coordinator, 'the coordinator');
      if (manifest && !taken.has(manifest.id)) {
        taken.add(manifest.id);
        return manifest;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { keys, connection, box, task };
}
type Odd = Awaited<ReturnType<typeof odd>>;

interface Deed {
  readonly bytes?: Uint8Array;
  readonly change?: Partial<Manifest>;
  readonly seed?: string;
  readonly signature?: string;
  readonly payload?: Uint8Array;
  readonly pieces?: Uint8Array;
}

/** Answers a task as an agent does, but for what is odd about it. */
async function answer(
  { keys, box }: Odd,
  task: Manifest,
  { bytes = honest, change, seed = keys.signing, ...deed }: Deed = {},
) {
  const { id, run, owner, request } = task;
  await putPieces(box, OWNER_SUBJECTS.up, id, [deed.pieces ?? bytes]);
  const manifest: Manifest = {
    ...{ version: 1, kind: 'reply', run, owner, id, request, bytes: bytes.length, sha256: sha256Of([bytes]) },
    ...change,
  };
  const sealed = sealManifest(manifest, seed);
  const payload = deed.payload ?? sealed.payload;
  await box.put(OWNER_SUBJECTS.reply, payload, { [SIGNATURE]: deed.signature ?? sealed.signature });
}

const withNaN = joinMessage(
  encodeMessage({
    ...UPDATE,
    parts: { adapter: { ...UPDATE.parts.adapter!, values: new Float32Array(8).fill(Number.NaN) } },
  }),
);
const tooLong = (() => {
  const bytes = honest.slice();
  const text = Buffer.from(bytes).toString('latin1').replace('["f32",8]', '["f32",9]');
  return new Uint8Array(Buffer.from(text, 'latin1'));
})();

describe('what an owner may not send is refused by name, and the owner can answer again', () => {
  const DEEDS: readonly (readonly [string, string, Deed])[] = [
    ['signed with another key', 'BAD_SIGNATURE', { seed: newUserSeed() }],
    ['without a signature', 'BAD_SIGNATURE', { signature: '' }],
    ['altered behind its signature', 'BAD_SIGNATURE', { payload: new TextEncoder().encode('{}') }],
    ['to another request', 'WRONG_TASK', { change: { request: '0'.repeat(64) } }],
    ['for another run', 'WRONG_TASK', { change: { run: randomUUID() } }],
    ['of more bytes than may be', 'TOO_LARGE', { change: { bytes: 1e12 } }],
    ['of more bytes than there are', 'MISSING_PIECE', { change: { bytes: honest.length + 8 } }],
    ['other bytes than announced', 'BAD_DIGEST', { pieces: honest.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) }],
    ['no message at all', 'BAD_MESSAGE', { bytes: new Uint8Array(64) }],
    ['tensors that do not fit their header', 'BAD_MESSAGE', { bytes: tooLong }],
    ['half of a message', 'BAD_MESSAGE', { bytes: honest.slice(0, honest.length / 2) }],
  ];

  it.each(DEEDS)('%s: %s', async (_, code, deed) => {
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const asked = link.ask('mallory', TRAIN).catch((error: unknown) => error);
    const task = await mallory.task();
    await answer(mallory, task, deed);
    expect(await asked).toMatchObject({ code });
    const again = link.ask('mallory', TRAIN);
    await answer(mallory, await mallory.task());
    expect((await again).reply.losses).toEqual([1]);
  });

  it('a manifest that is too long, without reading it', async () => {
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const asked = link.ask('mallory', TRAIN).catch((error: unknown) => error);
    await mallory.task();
    await mallory.box.put(OWNER_SUBJECTS.reply, new Uint8Array(100_000), { [SIGNATURE]: 'x' });
    expect(await asked).toMatchObject({ code: 'BAD_MANIFEST' });
  });

  it('a replayed update, and one of another run: said, and the right one is waited for', async () => {
    const mallory = await odd('mallory');
    const said: string[] = [];
    const link = linkTo(['mallory'], said);
    const first = link.ask('mallory', TRAIN);
    const task = await mallory.task();
    await answer(mallory, task);
    await first;
    const second = link.ask('mallory', { ...TRAIN, round: 2, turn: 2 });
    const next = await mallory.task();
    await answer(mallory, task);
    await vi.waitFor(() => expect(said.join()).toContain('REPLAYED'), 10_000);
    await answer(mallory, { ...task, id: randomUUID(), run: randomUUID() });
    await vi.waitFor(() => expect(said.join()).toContain('WRONG_RUN'), 10_000);
    await answer(mallory, next, { bytes: joinMessage(encodeMessage({ ...UPDATE, round: 2, turn: 2 })) });
    expect((await second).reply.turn).toBe(2);
  });

  it('NaN goes through as a message, for the server to refuse as it does on one machine', async () => {
    const { trainClients } = await import('../../src/server/train.js');
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const host = {
      link,
      emit: () => {},
      progress: () => {},
      signal: new AbortController().signal,
      checkpoint: async () => {},
    };
    const state = { turns: { main: {}, local: {} }, turnsBefore: { main: {}, local: {} } };
    const batch = {
      arm: 'main',
      round: 1,
      turn: 1,
      sendings: new Map([['mallory', { parts: TRAIN.parts, note: null }]]),
    };
    const config = { seed: 1, retries: 0 };
    const trained = trainClients({ config, capabilities: {} } as never, state as never, batch as never, host as never);
    await answer(mallory, await mallory.task(), { bytes: withNaN });
    expect((await trained).failures).toMatchObject([{ client: 'mallory', error: { code: 'NON_FINITE' } }]);
  });

  it('an error that would end the run, or act on a terminal, is that owner’s alone', async () => {
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const wire = {
      name: 'InterruptedError',
      code: 'INTERRUPTED',
      message: '\u001b[2J',
      exitCode: 130,
      stack: null,
      cause: null,
    } as const;
    const bytes = joinMessage(encodeMessage({ kind: 'error', error: wire }));
    const states = { main: 0, local: 0 };
    for (const [request, code] of [
      [TRAIN, 'INTERRUPTED'],
      [{ kind: 'score', round: 1, split: 'valid', which: ['base'], states, parts: {}, note: null }, 'OWNER_FAILED'],
      [{ kind: 'finish', round: 1, seed: 1, states, parts: {}, note: null }, 'OWNER_FAILED'],
    ] as const) {
      const asked = link.ask('mallory', request).catch((error: unknown) => error);
      await answer(mallory, await mallory.task(), { bytes });
      const error = await asked;
      expect(error).toMatchObject({ code, name: 'FedtuneError' });
      expect((error as Error).message).not.toContain('\u001b');
    }
  });

  it('messages mutated anywhere end no process and pass for no reply', async () => {
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const random = randomStream(5, 'mutate');
    for (let i = 0; i < 60; i++) {
      const bytes = honest.slice();
      // The header alone: any bits of a tensor are a tensor.
      const length = new DataView(bytes.buffer).getUint32(4, true);
      for (let n = 0; n <= i % 3; n++) bytes[Math.floor(random() * (8 + length))] = Math.floor(random() * 256);
      const asked = link.ask('mallory', TRAIN).then(
        ({ reply }) => reply.kind,
        (error: { code?: string }) => error.code,
      );
      const task = await mallory.task();
      await answer(mallory, task, { bytes });
      expect(['BAD_MESSAGE', 'update']).toContain(await asked);
    }
  });
});

describe('an owner cannot reach another', () => {
  /** A user of the owner's account who may do everything there: more than the key that it has lets it. */
  async function unlimited(name: string): Promise<NatsConnection> {
    const record = federation.folder.owner(name);
    const seed = newUserSeed();
    const jwt = await encodeUser('all', publicKeyOf(seed), fromSeed(Buffer.from(record.account)), {
      data: -1,
      subs: -1,
      payload: -1,
    });
    const { endpoint, ca } = federation.folder;
    const connection = await openConnection({ url: endpoint.url, ca, jwt, seed, name: 'all' }, { wait: false });
    onTestFinished(() => connection.close());
    return connection;
  }

  it('seven attacks of one that has all rights in its own account', async () => {
    const north = await federation.join('north');
    await federation.join('mallory');
    const link = linkTo(['north']);
    const asked = link.ask('north', TRAIN);
    asked.catch(() => {});
    const victim = await odd('north');
    const task = await victim.task();
    const all = await unlimited('mallory');
    const { reply, up, task: taskSubject, down } = subjectsOf(north.account);
    // Nobody answers; or the server does, that this account has no JetStream.
    const refused = async (subject: string, payload = '') => {
      const said = await all.request(subject, payload, { timeout: 400 }).catch(() => undefined);
      const answered = said?.json<{ error?: { err_code?: number } }>();
      expect(answered?.error?.err_code ?? (said ? 'answered' : 10039), subject).toBe(10039);
    };
    // Publishing and overwriting under another's name, in its words and in those of the coordinator's account.
    for (const subject of [reply, `${up}.${task.id}.0`, taskSubject, `fed.enrol.${north.account}`])
      await refused(subject, 'forged');
    // Pulling another's task, reading its pieces, deleting and emptying its stream, making a consumer of it.
    for (const subject of [
      `$JS.API.DIRECT.GET.${north.account}.${taskSubject}`,
      `$JS.API.DIRECT.GET.${north.account}.${down}.${task.id}.0`,
      `${OWNER_SUBJECTS.get}.${taskSubject}`,
      `$JS.API.STREAM.DELETE.${north.account}`,
      `$JS.API.STREAM.PURGE.${north.account}`,
      `$JS.API.STREAM.MSG.GET.${north.account}`,
      `$JS.API.CONSUMER.CREATE.${north.account}`,
    ]) {
      if (subject.startsWith(OWNER_SUBJECTS.get)) {
        // Reads from its own stream, where nothing of another's lies.
        const own = await all.request(subject, '', { timeout: 2000 }).catch(() => undefined);
        expect(own === undefined || own.headers?.code === 404).toBe(true);
      } else await refused(subject, '{}');
    }
    // Hearing what goes to others, and forging an answer to what they ask.
    const heard: string[] = [];
    for (const subject of ['>', '_INBOX.>', 'fed.>', '$JS.>']) {
      all.subscribe(subject, { callback: (_error, message) => void heard.push(message.subject) });
    }
    await all.flush();
    await answer(victim, task);
    expect((await asked).reply.losses).toEqual([1]);
    expect(heard.filter((subject) => !subject.startsWith('_INBOX') && subject !== OWNER_SUBJECTS.task)).toEqual([]);
    expect(heard).toEqual([]);
  });

  it('nor, with the key that it has, anything of its own account beyond its work', async () => {
    const mallory = await odd('mallory');
    await expect(mallory.connection.request('$SYS.REQ.USER.INFO', '', { timeout: 500 })).rejects.toThrow();
    await expect(mallory.connection.request(OWNER_SUBJECTS.enrol, '{}', { timeout: 500 })).rejects.toThrow();
  });

  it('its stream holds what it may send, and no more', async () => {
    const mallory = await odd('mallory');
    const link = linkTo(['mallory']);
    const asked = link.ask('mallory', TRAIN).catch((error: unknown) => error);
    await mallory.task();
    const flood = async () => {
      for (let i = 0; i < 20; i++)
        await mallory.box.put(`${OWNER_SUBJECTS.up}.${randomUUID()}.0`, new Uint8Array(1 << 20));
    };
    await expect(flood()).rejects.toMatchObject({ code: 'NATS', message: expect.stringContaining('maximum bytes') });
    // Others have streams of their own.
    const north = await odd('north');
    const other = linkTo(['north']).ask('north', TRAIN);
    await answer(north, await north.task());
    expect((await other).reply.kind).toBe('update');
    await link.close();
    await asked;
  });
});

describe('invites and keys', () => {
  const quietly = { signal: new AbortController().signal, onStatus: () => {} };
  const at = (name: string) => join(federation.root, name);

  it('an invite is good once; the same owner may ask again', async () => {
    const { invite } = await inviteOwner(federation.folder, 'once', { rotate: false, validHours: 1 });
    const first = await takeUpInvite(at('once'), invite, quietly);
    await expect(takeUpInvite(at('thief'), invite, quietly)).rejects.toMatchObject({ code: 'INVITE_USED' });
    const { url, ca, jwt, seed } = invite;
    const guest = await openConnection({ url, ca, jwt, seed, name: 'guest' }, { wait: false });
    onTestFinished(() => guest.close());
    expect(await askToJoin(guest, invite, first, 2000)).toContain('.');
    // Keys of others, signed by none of them.
    const forged = JSON.stringify({
      invite: publicKeyOf(seed),
      user: createUser().getPublicKey(),
      signing: publicKeyOf(first.signing),
      signature: 'AAAA',
    });
    const said = await guest.request(OWNER_SUBJECTS.enrol, forged, { timeout: 2000 });
    expect(said.json()).toMatchObject({ code: 'BAD_SIGNATURE' });
    for (const junk of ['', '{', '[]', 'x'.repeat(60_000)]) {
      expect((await guest.request(OWNER_SUBJECTS.enrol, junk, { timeout: 2000 })).json()).toMatchObject({
        code: 'BAD_MESSAGE',
      });
    }
  });

  it('an invite expires, at the owner and at the server', async () => {
    const past = new Date(Date.now() - 7_200_000);
    const { invite } = await inviteOwner(federation.folder, 'late', { rotate: false, validHours: 1, now: past });
    await expect(takeUpInvite(at('late'), invite, quietly)).rejects.toMatchObject({ code: 'INVITE_EXPIRED' });
    const later = { ...invite, expires: new Date(Date.now() + 1e6).toISOString() };
    await expect(takeUpInvite(at('late'), later, quietly)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('one that was removed is let in no more, and what it is asked fails by name', async () => {
    const gone = await odd('gone');
    const agent = await federation.serve('gone', async () => honest);
    const link = linkTo(['gone']);
    expect((await link.ask('gone', TRAIN)).reply.kind).toBe('update');
    expect(await announce(federation.folder, await removeOwner(federation.folder, 'gone'))).toBe(true);
    expect(await agent.ended).toMatchObject({ code: 'REFUSED' });
    await expect(federation.connect(gone.keys)).rejects.toMatchObject({ code: 'REFUSED' });
    await expect(link.ask('gone', TRAIN)).rejects.toMatchObject({ code: 'REVOKED' });
  });

  it('removed while it is waited for: the wait ends', async () => {
    await federation.join('slow');
    const asked = linkTo(['slow']).ask('slow', TRAIN);
    asked.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await removeOwner(federation.folder, 'slow');
    await expect(asked).rejects.toMatchObject({ code: 'REVOKED' });
  });

  it('new keys take the place of the old ones', async () => {
    const old = await federation.join('turned');
    const { invite, accountJwt } = await inviteOwner(federation.folder, 'turned', { rotate: true, validHours: 1 });
    await announce(federation.folder, accountJwt);
    await expect(federation.connect(old)).rejects.toMatchObject({ code: 'REFUSED' });
    const fresh = await takeUpInvite(at('turned'), invite, quietly);
    expect(fresh.user).not.toBe(old.user);
    await (await federation.connect(fresh)).close();
    await expect(federation.connect(old)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('private keys are readable by their owner alone, and stand nowhere else', async () => {
    const keys: OwnerKeys = await federation.join('north');
    const owner = federation.folder.owner('north');
    const secrets = [keys.user, keys.signing, owner.account, ...Object.values(federation.folder.keys)];
    const files = readdirSync(federation.root, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    let found = 0;
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      const text = readFileSync(path, 'latin1');
      if (!secrets.some((secret) => text.includes(secret)) && !text.includes('PRIVATE KEY')) continue;
      found++;
      expect(statSync(path).mode & 0o077, path).toBe(0);
    }
    // keys.json of both sides, owner.json, the key of the certificate.
    expect(found).toBeGreaterThanOrEqual(4);
  });

  it('what is no invite is refused', () => {
    expect(() => readInvite(at('nowhere'))).toThrow('cannot be read');
    expect(() => readInvite(join(federation.folder.dir, 'federation.json'))).toThrow('is none');
  });
});
