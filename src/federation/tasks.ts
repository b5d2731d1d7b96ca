import type { NatsConnection } from '@nats-io/transport-node';
import { FedtuneError, InterruptedError } from '../errors.js';
import { collectGarbage } from '../garbage.js';
import { Bell } from './bell.js';
import { closingError, isUp } from './connection.js';
import { errorReply } from './errorReply.js';
import { Mailbox } from './mailbox.js';
import { type Manifest, openManifest, SIGNATURE, sealManifest } from './manifest.js';
import { getPieces, PIECE, putPieces, sha256Of } from './pieces.js';
import { OWNER_SUBJECTS, STEPS, subjectsOf } from './subjects.js';

/** Looked at so often, should the word that something is new get lost. */
const LOOK_MS = 5000;
/** Between two words of how many steps are done. */
const TELL_MS = 1000;
const WHO = 'the coordinator';

/** What an owner is known by, and knows of its coordinator. */
export interface TaskIdentity {
  readonly name: string;
  readonly account: string;
  /** Seed of the key that signs what the owner answers. */
  readonly signing: string;
  /** Public key that signs what the coordinator asks. */
  readonly coordinator: string;
}

/** A request that the coordinator has signed. */
export interface Task {
  readonly run: string;
  /** sha256 of the request. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface TaskOptions {
  readonly connection: NatsConnection;
  readonly identity: TaskIdentity;
  /** The largest request that is taken, bytes. */
  readonly maxBytes: number;
  /** The encoded reply. Throws InterruptedError where none is to be given, now or ever. */
  readonly answer: (task: Task) => Promise<Uint8Array>;
  /** The optimizer steps that the task at hand has taken, while it trains: told to the coordinator now and then. */
  readonly steps?: () => number | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (text: string) => void;
}

/** A task that is none. */
const REFUSALS = ['BAD_SIGNATURE', 'BAD_MANIFEST', 'WRONG_OWNER'];
/** What the next task may cure. */
const TRANSIENT = ['MISSING_PIECE', 'BAD_DIGEST', 'NO_STREAM', 'NATS'];

const tooLarge = (bytes: number, most: number): FedtuneError =>
  new FedtuneError(
    'OWNER_LIMIT',
    `The owner takes no message over ${most} bytes (max_message_mb of its owner.yaml) but was sent one of ${bytes}.`,
  );

class TaskLoop {
  readonly #options: TaskOptions;
  readonly #box: Mailbox;
  readonly #bell = new Bell();
  /** Messages that were refused, so that each is told of once. */
  #refused = 0;

  constructor(options: TaskOptions) {
    this.#options = options;
    const { connection, identity, signal } = options;
    this.#box = new Mailbox(connection, `owner ${identity.name}`, `${OWNER_SUBJECTS.get}.`, () => {
      if (signal.aborted) throw new InterruptedError('Interrupted.');
    });
  }

  /** The task that waits for a reply of this owner; undefined where there is none. */
  async #look(): Promise<Manifest | undefined> {
    const { account, coordinator } = this.#options.identity;
    const subjects = subjectsOf(account);
    const found = await this.#box.get(subjects.task);
    if (found === undefined || found.seq === this.#refused) return undefined;
    try {
      const task = openManifest(found.payload, found.header(SIGNATURE), coordinator, WHO);
      if (task.kind !== 'task' || task.owner !== account) {
        throw new FedtuneError('WRONG_OWNER', 'Expected a task for this owner but received one for another.');
      }
      const before = await this.#box.get(subjects.reply);
      return before !== undefined && Buffer.from(before.payload).includes(task.id) ? undefined : task;
    } catch (error) {
      if (!(error instanceof FedtuneError) || !REFUSALS.includes(error.code)) throw error;
      this.#refused = found.seq;
      this.#options.onStatus(`refused a task (${error.code}): ${error.message}`);
      return undefined;
    }
  }

  /** Says now and then how many steps are done, while the work goes on; lost words are not missed. */
  async #telling<T>(id: string, work: Promise<T>): Promise<T> {
    const { connection, steps } = this.#options;
    let told: number | undefined;
    const timer = setInterval(() => {
      const now = steps?.();
      if (now === undefined || now === told || !isUp(connection)) return;
      told = now;
      connection.publish(`${OWNER_SUBJECTS.up}.${id}.${STEPS}`, String(now));
    }, TELL_MS);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }

  /** Bytes of the request and of the reply. */
  async #do(task: Manifest): Promise<number> {
    const { identity, maxBytes, answer } = this.#options;
    const { id, run, owner, request } = task;
    const get = () => getPieces(this.#box, subjectsOf(owner).down, task, maxBytes, WHO);
    const reply =
      task.bytes > maxBytes
        ? errorReply(tooLarge(task.bytes, maxBytes))
        : await this.#telling(id, answer({ run, digest: request, bytes: await get() }));
    await putPieces(this.#box, OWNER_SUBJECTS.up, id, [reply]);
    const said: Manifest = {
      ...{ version: 1, kind: 'reply', run, owner, id, request },
      ...{ bytes: reply.length, sha256: sha256Of([reply]) },
    };
    const { payload, signature } = sealManifest(said, identity.signing);
    await this.#box.put(OWNER_SUBJECTS.reply, payload, { [SIGNATURE]: signature });
    return task.bytes + reply.length;
  }

  async run(): Promise<never> {
    const { connection, identity, signal, onStatus } = this.#options;
    const ring = () => this.#bell.ring();
    signal.addEventListener('abort', ring);
    connection.subscribe(OWNER_SUBJECTS.task, { callback: ring });
    void connection.closed().then(ring);
    for (let last = ''; ; ) {
      if (signal.aborted) throw new InterruptedError('Interrupted.');
      if (connection.isClosed()) throw await closingError(connection, `owner ${identity.name}`);
      try {
        const task = await this.#look();
        if (task !== undefined) {
          const bytes = await this.#do(task);
          // Request and reply, before the agent waits for as long as it takes; not worth a look where they are small.
          if (bytes > PIECE) collectGarbage('all');
          const isNew = task.id !== last;
          last = task.id;
          if (isNew) continue;
        }
      } catch (error) {
        // What was asked may be gone by now: the coordinator asks anew, and the next look shows it.
        if (!(error instanceof FedtuneError) || !TRANSIENT.includes(error.code)) throw error;
        onStatus(`could not do what was asked (${error.code}): ${error.message}`);
      }
      await this.#bell.wait(LOOK_MS);
    }
  }
}

/**
 * An owner's side of the link: takes the last task that has no reply yet, answers, and waits for the next, as long as it takes. Cut short
 * anywhere, it finds the same task again.
 *
 * Throws InterruptedError, FedtuneError REFUSED where the server lets the owner in no more, and what `answer` throws.
 */
export function serveTasks(options: TaskOptions): Promise<never> {
  return new TaskLoop(options).run();
}
