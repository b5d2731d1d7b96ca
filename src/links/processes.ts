import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { OwnerHome } from '../client/owner.js';
import { withAbsolutePaths } from '../client/paths.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import { joinMessage } from './codec.js';
import { exchange, homeOf } from './exchange.js';
import type { Link, Tap } from './link.js';
import { Slots } from './slots.js';
import { compiled } from './threads.js';

/** What a child is told in its environment, as JSON. */
export interface ChildSetup {
  readonly home: OwnerHome;
  readonly threads: number;
  /** Process id of the server; a child whose parent is another has lost it. */
  readonly parent: number;
}
export const CHILD_SETUP = 'FEDTUNE_OWNER';

export interface ProcessesOptions {
  readonly homes: readonly OwnerHome[];
  /** Requests that run at the same time, each in a process of its own. */
  readonly workers: number;
  /** Compute threads of each. */
  readonly threads: number;
  /**
   * Processes that stay, beside those at work; who was asked longest ago is ended first, and started anew when asked again.
   * @default 16
   */
  readonly keep?: number;
  readonly tap?: Tap;
}

const DEFAULT_KEEP = 16;

/** How much of what a child says last is kept for an error. */
const MAX_SAID = 2000;

/** One owner's process, and how it ended. */
class OwnerProcess {
  readonly #child: ChildProcess;
  readonly #id: string;
  #said = '';
  #ended: FedtuneError | undefined;
  #reject: ((error: FedtuneError) => void) | undefined;

  constructor(home: OwnerHome, threads: number) {
    this.#id = home.id;
    const setup: ChildSetup = { home, threads, parent: process.pid };
    this.#child = fork(compiled('ownerProcess'), [], {
      cwd: home.home,
      env: { ...process.env, [CHILD_SETUP]: JSON.stringify(setup) },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-MAX_SAID);
    });
    this.#child.on('error', (cause) => this.#end(`cannot be started: ${cause.message}`, cause));
    this.#child.on('close', (code, signal) => this.#end(`ended with ${signal ?? `code ${code}`}`));
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  get isBusy(): boolean {
    return this.#reject !== undefined;
  }

  #end(how: string, cause?: unknown): void {
    const said = this.#said.trim();
    this.#ended ??= new FedtuneError(
      'WORKER',
      `Expected a reply from the process of ${this.#id} but it ${how}${said === '' ? '.' : `, saying: ${said}`}`,
      { cause },
    );
    this.#reject?.(this.#ended);
  }

  /** Sends one request and waits for its reply; `onSteps` hears now and then how many steps are done. One at a time. */
  async ask(bytes: Uint8Array, onSteps: (steps: number) => void): Promise<Uint8Array> {
    if (this.#ended) throw this.#ended;
    let take: ((said: Uint8Array | number) => void) | undefined;
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        this.#reject = reject;
        take = (said) => (typeof said === 'number' ? onSteps(said) : resolve(said));
        this.#child.on('message', take);
        this.#child.send(bytes, (cause) => {
          if (cause) this.#end(`takes no message: ${cause.message}`, cause);
        });
      });
    } finally {
      this.#reject = undefined;
      if (take) this.#child.off('message', take);
    }
  }

  /** Its states are whole whenever that happens. */
  async kill(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

/**
 * Owners in processes of their own, each with its home as its working folder and a base of its own: started at the first request, and
 * again at the next where it died. They see of the server its messages alone.
 */
export function createProcessesLink(options: ProcessesOptions): Link {
  const { homes, workers, threads, keep = DEFAULT_KEEP, tap } = options;
  const byId = new Map(homes.map((home) => [home.id, home]));
  const processes = new Map<string, OwnerProcess>();
  const turns = new Map<string, Slots>();
  const slots = new Slots(workers);
  const training = new Map<string, number>();
  let isClosed = false;
  const throwIfClosed = () => {
    if (isClosed) throw new InterruptedError('Interrupted.');
  };
  const processOf = (home: OwnerHome): OwnerProcess => {
    const known = processes.get(home.id);
    const owner = known && !known.ended ? known : new OwnerProcess(home, threads);
    // In the order in which they were asked last.
    processes.delete(home.id);
    processes.set(home.id, owner);
    return owner;
  };
  const endIdle = async (): Promise<void> => {
    const idle = [...processes].filter(([, one]) => !one.isBusy);
    for (const [id, one] of idle.slice(0, Math.max(0, idle.length - keep))) {
      processes.delete(id);
      await one.kill();
    }
  };
  const carry = async (home: OwnerHome, bytes: Uint8Array, trains: boolean): Promise<Uint8Array> => {
    const turn = turns.get(home.id) ?? new Slots(1);
    turns.set(home.id, turn);
    try {
      return await turn.run(() =>
        slots.run(async () => {
          throwIfClosed();
          const tell = (steps: number) => trains && training.set(home.id, steps);
          tell(0);
          try {
            const reply = await processOf(home).ask(bytes, tell);
            await endIdle();
            return reply;
          } finally {
            training.delete(home.id);
          }
        }),
      );
    } catch (error) {
      // It was ended by `close`, and not by a fault of its own.
      throwIfClosed();
      throw error;
    }
  };
  return {
    workers,
    ask: async (owner, request) => {
      throwIfClosed();
      // They work in other folders than this process.
      const here = request.kind === 'describe' ? { ...request, config: withAbsolutePaths(request.config) } : request;
      return exchange(
        owner,
        here as typeof request,
        (message) => carry(homeOf(byId, owner), joinMessage(message), request.kind === 'train'),
        tap,
      );
    },
    atWork: () => [...training].map(([owner, steps]) => ({ owner, steps })),
    close: async () => {
      isClosed = true;
      await Promise.all([...processes.values()].map((one) => one.kill()));
    },
  };
}
