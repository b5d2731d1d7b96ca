import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { OwnerModel } from '../client/host.js';
import type { OwnerHome } from '../client/owner.js';
import { FedtuneError } from '../errors.js';
import type { Tensor } from '../store/document.js';
import type { EncodedMessage } from './codec.js';
import { exchange, homeOf } from './exchange.js';
import type { Link, Tap } from './link.js';
import { Slots } from './slots.js';
import { makeCounters, ThreadPool } from './threadPool.js';

/** A request on its way into a thread; memory that threads share is not copied for each. */
export interface ThreadTask extends EncodedMessage {
  readonly home: OwnerHome;
}

/** What every thread starts from. */
export interface ThreadSetup {
  readonly threads: number;
  readonly model: OwnerModel;
}

export interface ThreadsOptions {
  readonly homes: readonly OwnerHome[];
  /** Threads, each working for one owner at a time. */
  readonly workers: number;
  /** Compute threads of each. */
  readonly threads: number;
  /** The base, as the run has loaded it. */
  readonly model: OwnerModel;
  readonly tap?: Tap;
}

/** The compiled module of that name beside this one. Throws FedtuneError NOT_BUILT. */
export function compiled(name: string): string {
  const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  if (existsSync(file)) return file;
  throw new FedtuneError(
    'NOT_BUILT',
    `Expected the compiled ${name} at ${file} but it is not there. Run "npm run build:ts" and use dist/.`,
  );
}

/** Without what threads cannot be given, whatever came along. */
function plainModel(model: OwnerModel): OwnerModel {
  const { tokenizer: _, ...plain } = model as OwnerModel & { readonly tokenizer?: unknown };
  return plain;
}

/** The same content in memory that threads share. */
function shared(tensor: Tensor): Tensor {
  const buffer = new SharedArrayBuffer(tensor.byteLength);
  new Uint8Array(buffer).set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
  return new (tensor.constructor as new (buffer: SharedArrayBuffer) => Tensor)(buffer);
}

/**
 * Owners on worker threads over one base in memory: any thread works for any owner, whose data and state it finds in the owner's
 * home.
 */
export function createThreadsLink({ homes, workers, threads, model, tap }: ThreadsOptions): Link {
  const byId = new Map(homes.map((home) => [home.id, home]));
  const pool = new ThreadPool<ThreadTask, EncodedMessage>({
    filename: compiled('threadWorker'),
    workers,
    workerData: { threads, model: plainModel(model) } satisfies ThreadSetup,
  });
  // The pool would deal all that waits out to its threads beforehand: one that is slow would keep owners whose turn it is.
  const slots = new Slots(workers);
  // A part that many owners get is put into shared memory once, and goes when the server lets go of it.
  const known = new WeakMap<Tensor, Tensor>();
  const share = (tensor: Tensor): Tensor => {
    const before = known.get(tensor);
    if (before !== undefined) return before;
    const made = shared(tensor);
    known.set(tensor, made);
    return made;
  };
  const training = new Map<Int32Array, string>();
  const carry = ({ head, tensors, bytes }: EncodedMessage, home: OwnerHome, trains: boolean): Promise<EncodedMessage> =>
    slots.run(async () => {
      const counters = makeCounters();
      if (trains) training.set(counters, home.id);
      try {
        return await pool.run({ home, head, tensors: tensors.map(share), bytes }, [], counters);
      } finally {
        training.delete(counters);
      }
    });
  return {
    workers,
    ask: (owner, request) => {
      const trains = request.kind === 'train';
      return exchange(owner, request, async (message) => carry(message, homeOf(byId, owner), trains), tap);
    },
    atWork: () => [...training].map(([counters, owner]) => ({ owner, steps: Atomics.load(counters, 1) })),
    close: () => pool.close(),
  };
}
