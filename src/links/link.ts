import type { ReplyTo, Request } from '../contracts/messages.js';

export type { OwnerHome } from '../client/owner.js';

/** Sees every message that crosses, as it crosses: for tests. */
export type Tap = (owner: string, direction: 'down' | 'up', bytes: Uint8Array) => void;

/** A reply with what it cost on the wire. */
export interface Answer<Kind extends Request['kind']> {
  readonly reply: ReplyTo[Kind];
  /** Length of the encoded request and of the encoded reply: header and tensors. */
  readonly bytesDown: number;
  readonly bytesUp: number;
}

/** An owner that trains right now, and the optimizer steps that it has taken since it was asked. */
export interface AtWork {
  readonly owner: string;
  readonly steps: number;
}

/**
 * How the server talks to owners. Whether an owner is a thread's work, a process or a machine makes no difference to what
 * is asked, answered and counted.
 */
export interface Link {
  /** Requests that run at the same time; more of them wait. */
  readonly workers: number;
  /**
   * Asks one owner and waits for its reply. Throws what the owner threw (same class, code and causes), FedtuneError
   * WORKER where it ended without a reply, InterruptedError after `close`.
   */
  ask<R extends Request>(owner: string, request: R): Promise<Answer<R['kind']>>;
  /** Who trains right now, for a display; a link that cannot know has none. */
  atWork?(): readonly AtWork[];
  /** Ends the owners; requests under way are rejected, each as soon as its present call of the engine is over. */
  close(): Promise<void>;
}
