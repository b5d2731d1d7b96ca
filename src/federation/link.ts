import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { DescribeRequest, Description, Request } from '../contracts/messages.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import { type Answer, type AtWork, type EncodedMessage, exchange, type Link, Slots, type Tap } from '../links/index.js';
import { Bell } from './bell.js';
import { openConnection } from './connection.js';
import type { Enrolment, FederationFolder, OwnerRecord } from './folder.js';
import { publicKeyOf } from './keys.js';
import { type Found, Mailbox, NO_STREAM } from './mailbox.js';
import { type Manifest, openManifest, SIGNATURE, sealManifest } from './manifest.js';
import { ownersError, shownOf } from './ownersError.js';
import { getPieces, putPieces, sha256Of } from './pieces.js';
import { Streams } from './streams.js';
import { STEPS, subjectsOf } from './subjects.js';

/** Looked at so often, should the word that something is new get lost. */
const LOOK_MS = 5000;
/** An owner that trains at other hours is asked again so often. */
const ASK_AGAIN_MS = 600_000;
const ME = 'the coordinator';

export interface NatsOptions {
  readonly federation: FederationFolder;
  /** Names the run at its owners. */
  readonly run: string;
  readonly owners: readonly string[];
  /** The largest reply that an owner may send, bytes. */
  readonly maxReplyBytes: number;
  /** How long an owner has to answer; without, as long as it takes. The end of a run waits for all. */
  readonly deadlineMs?: number;
  readonly tap?: Tap;
  /** Hears what the link waits for, and of messages that it refused. */
  readonly onStatus?: (text: string) => void;
  /** What an owner is told before the first thing that it is asked, and what its answer has to be; undefined: nothing. */
  readonly introduce?: (owner: string) => Introduction | undefined;
  /** How long until an owner that trains at other hours of the day is asked again. @default 600000 */
  readonly askAgainMs?: number;
}

/** Tells an owner of a run that it takes part in already. */
export interface Introduction {
  readonly request: DescribeRequest;
  /** Throws FedtuneError where the owner is not the one that it was. */
  readonly check: (said: Description) => void;
}

/** An owner that is asked: its account, and the keys with which it came. */
interface Known {
  readonly record: OwnerRecord;
  readonly account: string;
  readonly enrolment: Enrolment;
}

/** A request on its way to an owner. */
interface Errand {
  readonly name: string;
  /** The encoded message, where it lies. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Whether it asks for a round of training. */
  readonly trains: boolean;
  /** Moment at which nobody waits for the reply any more. */
  readonly until: number;
}

/** What the link holds while it is connected. */
interface Session {
  readonly connection: NatsConnection;
  readonly streams: Streams;
}

/** An encoded message where it lies, padding and all. */
function* partsOf({ head, tensors }: EncodedMessage): Generator<Uint8Array> {
  yield head;
  for (const { buffer, byteOffset, byteLength } of tensors) {
    yield new Uint8Array(buffer, byteOffset, byteLength);
    if (byteLength % 8 !== 0) yield new Uint8Array(8 - (byteLength % 8));
  }
}

/**
 * Owners on machines of their own, over NATS JetStream. Everything waits for a server that is away, and for owners that are; what was asked
 * and answered is on the server's disk.
 */
export class NatsLink implements Link {
  readonly #options: NatsOptions;
  readonly #turns: Map<string, Slots>;
  readonly #bells = new Map<string, Bell>();
  /** What was answered already, by id. */
  readonly #answered = new Set<string>();
  /** Owners that were told of the run, where they have to be. */
  readonly #introduced = new Set<string>();
  /** The training that owners are asked for, by id of the task; steps once the owner has said any. */
  readonly #training = new Map<string, { readonly owner: string; readonly account: string; steps?: number }>();
  readonly #closing = new AbortController();
  #session: Promise<Session> | undefined;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#turns = new Map(options.owners.map((owner) => [owner, new Slots(1)]));
  }

  readonly #throwIfClosed = (): void => {
    if (this.#closing.signal.aborted) throw new InterruptedError('Interrupted.');
  };

  readonly #throwIfOver = (name: string, until: number): void => {
    this.#throwIfClosed();
    if (performance.now() < until) return;
    throw new FedtuneError(
      'ABSENT',
      `Expected ${name} to answer within ${this.#options.deadlineMs! / 1000} s but it did not.`,
    );
  };

  async #connect(): Promise<Session> {
    const { federation, onStatus } = this.#options;
    const { url } = federation.endpoint;
    const access = {
      url,
      ca: federation.ca,
      seed: federation.keys.user,
      jwt: await federation.userJwt('coordinator'),
      name: ME,
    };
    const how = { wait: true, signal: this.#closing.signal, ...(onStatus ? { onStatus } : {}) };
    const connection = await openConnection(access, how);
    connection.subscribe(subjectsOf('*').reply, {
      callback: (_error, { subject }) => this.#bells.get(subject.split('.').at(-1)!)?.ring(),
    });
    connection.subscribe(`${subjectsOf('*').up}.*.${STEPS}`, {
      callback: (_error, { subject, data }) => this.#hearSteps(subject, data),
    });
    return { connection, streams: new Streams(connection, ME) };
  }

  /** The server vouches for the account in the subject, and no more hangs on it than a bar on a screen. */
  #hearSteps(subject: string, data: Uint8Array): void {
    const [account, id] = subject.split('.').slice(-3);
    const work = this.#training.get(id!);
    const said = data.length < 10 ? Buffer.from(data).toString('latin1') : '';
    if (work?.account === account && /^\d+$/.test(said)) work!.steps = Number(said);
  }

  /** Looked up anew each time: it may have been removed, or have come back with other keys. Throws FedtuneError REVOKED. */
  #owner(name: string): Known {
    const record = this.#options.federation.owner(name);
    const enrolment = this.#options.federation.enrolment(record);
    if (enrolment !== undefined) return { record, account: publicKeyOf(record.account), enrolment };
    throw new FedtuneError(
      'REVOKED',
      `Expected ${name} to be an owner of this federation but ${record.isRemoved ? 'it was removed' : 'it has not taken up its invite'}.`,
    );
  }

  /** Whether this is the reply that is waited for. Throws where it should be and is not. */
  #isReply({ account, enrolment, record }: Known, found: Found, task: Manifest): Manifest | undefined {
    const who = `owner ${record.name}`;
    const reply = openManifest(found.payload, found.header(SIGNATURE), enrolment.signing, who);
    if (reply.id === task.id && reply.kind === 'reply' && reply.owner === account) {
      if (reply.run === task.run && reply.request === task.request) return reply;
      throw new FedtuneError(
        'WRONG_TASK',
        `Expected the reply of ${who} to what it was asked but received one to something else.`,
      );
    }
    // Said, and no more: one that was asked before the coordinator came back ends first what it does.
    const why = this.#answered.has(reply.id) ? 'REPLAYED' : reply.run === task.run ? 'OLD_TASK' : 'WRONG_RUN';
    this.#options.onStatus?.(`refused a message of ${who} (${why}): it is no reply to what was asked last`);
    return undefined;
  }

  /** Waits until `until`; undefined where the server lost the task. */
  async #waitForReply(
    name: string,
    box: Mailbox,
    task: Manifest,
    before: number,
    until: number,
  ): Promise<Manifest | undefined> {
    const subjects = subjectsOf(task.owner);
    const bell = this.#bells.get(task.owner)!;
    for (let seen = before; ; await bell.wait(Math.min(LOOK_MS, Math.max(0, until - performance.now())))) {
      this.#throwIfOver(name, until);
      const owner = this.#owner(name);
      const found = await box.get(subjects.reply);
      if (found && found.seq !== seen) {
        seen = found.seq;
        const reply = this.#isReply(owner, found, task);
        if (reply) return reply;
      } else if (!Buffer.from((await box.get(subjects.task))?.payload ?? []).includes(task.id)) return undefined;
    }
  }

  /** Asks once; undefined where the server lost what it was given. */
  async #round(
    { connection, streams }: Session,
    { name, parts, bytes, trains, until }: Errand,
  ): Promise<Uint8Array | undefined> {
    const { run, maxReplyBytes, federation } = this.#options;
    const { account } = this.#owner(name);
    const subjects = subjectsOf(account);
    if (!this.#bells.has(account)) this.#bells.set(account, new Bell());
    const box = new Mailbox(connection, ME, `$JS.API.DIRECT.GET.${account}.`, () => this.#throwIfOver(name, until));
    await streams.ensure(account, bytes + maxReplyBytes);
    await streams.purge(account, `${subjects.down}.>`);
    await streams.purge(account, `${subjects.up}.>`);
    const before = (await box.get(subjects.reply))?.seq ?? 0;
    const digest = sha256Of(parts);
    const id = randomUUID();
    const request = { run, owner: account, id, request: digest };
    const task: Manifest = { version: 1, kind: 'task', ...request, bytes, sha256: digest };
    await putPieces(box, subjects.down, id, parts);
    const { payload, signature } = sealManifest(task, federation.keys.signing);
    await box.put(subjects.task, payload, { [SIGNATURE]: signature });
    if (trains) this.#training.set(id, { owner: name, account });
    const reply = await this.#waitForReply(name, box, task, before, until).finally(() => this.#training.delete(id));
    if (reply === undefined) return undefined;
    const whole = await getPieces(box, subjects.up, reply, maxReplyBytes, `owner ${name}`);
    this.#answered.add(id);
    return whole;
  }

  async #carry(errand: Errand): Promise<Uint8Array> {
    const { name, until } = errand;
    for (;;) {
      this.#throwIfOver(name, until);
      this.#session ??= this.#connect();
      const session = await this.#session;
      try {
        const reply = await this.#round(session, errand);
        if (reply) return reply;
      } catch (error) {
        if ((error as { code?: string }).code !== NO_STREAM) throw error;
      }
      this.#options.onStatus?.(`the NATS server lost what ${name} was asked; asking again`);
      session.streams.forget(this.#owner(name).account);
    }
  }

  get workers(): number {
    return this.#turns.size;
  }

  /** Does it once the owner says that it is the time of day. */
  async #atItsHours<T>(owner: string, until: number, work: () => Promise<T>): Promise<T> {
    const { askAgainMs = ASK_AGAIN_MS, onStatus } = this.#options;
    for (let said = false; ; said = true) {
      try {
        return await work();
      } catch (error) {
        if ((error as { code?: string }).code !== 'OUT_OF_HOURS') throw error;
        if (!said) onStatus?.(`waiting for ${owner} (OUT_OF_HOURS): ${shownOf(error as Error)}`);
        const pause = Math.min(askAgainMs, until - performance.now());
        await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
        this.#throwIfOver(owner, until);
      }
    }
  }

  /** Lets an owner be asked that was none of them when the link was made. */
  admit(owner: string): void {
    if (!this.#turns.has(owner)) this.#turns.set(owner, new Slots(1));
  }

  async #introduce(owner: string, carry: Parameters<typeof exchange>[2]): Promise<void> {
    const introduction = this.#introduced.has(owner) ? undefined : this.#options.introduce?.(owner);
    if (introduction === undefined) return;
    const { reply } = await exchange(owner, introduction.request, carry, this.#options.tap);
    introduction.check(reply);
    this.#introduced.add(owner);
  }

  async ask<R extends Request>(owner: string, request: R): Promise<Answer<R['kind']>> {
    this.#throwIfClosed();
    const turn = this.#turns.get(owner);
    if (turn === undefined) {
      throw new FedtuneError('UNKNOWN_OWNER', `Expected one of ${this.#turns.size} owners but was asked for ${owner}.`);
    }
    const { deadlineMs, tap } = this.#options;
    const isTimed = deadlineMs !== undefined && request.kind !== 'finish';
    const until = isTimed ? performance.now() + deadlineMs : Number.POSITIVE_INFINITY;
    const carry = (message: EncodedMessage, trains: boolean) =>
      this.#carry({ name: owner, parts: [...partsOf(message)], bytes: message.bytes, trains, until });
    try {
      return await turn.run(async () => {
        await this.#introduce(owner, (message) => carry(message, false));
        const ask = (message: EncodedMessage) => carry(message, request.kind === 'train');
        return this.#atItsHours(owner, until, () => exchange(owner, request, ask, tap));
      });
    } catch (error) {
      this.#throwIfClosed();
      throw ownersError(owner, request.kind, error);
    }
  }

  /** An owner that is away says nothing, and is none of them. */
  atWork(): AtWork[] {
    return [...this.#training.values()].flatMap(({ owner, steps }) => (steps === undefined ? [] : [{ owner, steps }]));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const bell of this.#bells.values()) bell.ring();
    await (await this.#session?.catch(() => undefined))?.connection.close();
  }
}
