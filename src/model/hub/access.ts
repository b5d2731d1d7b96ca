import { setTimeout as sleep } from 'node:timers/promises';
import { HUB_URL } from '@huggingface/hub';
import { InterruptedError } from '../../errors.js';
import { type HubSpec, hubError } from './spec.js';

/** How long the hub is waited for. All in milliseconds but `attempts`. */
export interface Patience {
  /** Times that a file or an answer is asked for before it is given up. @default 5 */
  readonly attempts: number;
  /** Wait before the second attempt; it doubles from one to the next. The hub's own Retry-After goes first. @default 1000 */
  readonly wait: number;
  /** A wait that is longer is not waited. @default 120000 */
  readonly longestWait: number;
  /** A connection on which nothing came for so long is taken for broken. @default 60000 */
  readonly stall: number;
  /** A process that downloads and has not been heard of for so long is taken for dead. @default 30000 */
  readonly stale: number;
}

/** How far the download of one file is. */
export interface Download {
  /** Path in the repository. */
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface HubOptions {
  /** Folder of the cache that all hub tools share. @default $HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub */
  readonly cacheDir?: string;
  /** @default $HF_TOKEN */
  readonly token?: string;
  /** Take what is in the cache and ask nobody. @default $HF_HUB_OFFLINE */
  readonly offline?: boolean;
  /** @default the global fetch */
  readonly fetch?: typeof fetch;
  readonly patience?: Partial<Patience>;
  /** Ends what is being asked or downloaded with InterruptedError; what came is kept. */
  readonly signal?: AbortSignal;
  /** Called while files come, with every piece. It must not throw. */
  readonly onDownload?: (progress: Download) => void;
}

const DEFAULTS: Patience = { attempts: 5, wait: 1000, longestWait: 120_000, stall: 60_000, stale: 30_000 };

/** Milliseconds that a Retry-After header asks for: seconds, or a date. */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Ends a connection on which nothing comes for a while. */
class Watchdog {
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, other: AbortSignal) {
    const stalled = new AbortController();
    this.#timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${ms / 1000} s`)), ms);
    // It keeps no process alive, and after the answer it does nothing.
    this.#timer.unref();
    this.signal = AbortSignal.any([stalled.signal, other]);
  }

  /** Something came. */
  touch(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

export interface HubAnswer {
  readonly response: Response;
  /** To be touched with every piece of the body, and stopped after it. */
  readonly watchdog: Watchdog;
}

/** One way to ask the hub, for its API and its files. */
export class HubAccess {
  readonly url: string;
  readonly offline: boolean;
  readonly patience: Patience;
  /** Never fires where none was given. */
  readonly signal: AbortSignal;
  readonly onDownload: NonNullable<HubOptions['onDownload']>;
  readonly #spec: HubSpec;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;

  constructor(spec: HubSpec, options: HubOptions) {
    this.url = (process.env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, '');
    this.offline = options.offline ?? /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? '');
    this.patience = { ...DEFAULTS, ...options.patience };
    this.signal = options.signal ?? new AbortController().signal;
    this.onDownload = options.onDownload ?? (() => {});
    this.#spec = spec;
    this.#token = options.token ?? process.env.HF_TOKEN;
    this.#fetch = options.fetch ?? fetch;
  }

  /**
   * An answer with a body, waited for where the hub asks for patience (429) or has trouble (5xx). Throws HUB_ACCESS,
   * HUB_NOT_FOUND, HUB_UNREACHABLE; a broken connection passes through.
   */
  async get(
    url: string,
    { signal, headers: own }: { signal?: AbortSignal; headers?: Record<string, string> } = {},
  ): Promise<HubAnswer> {
    const headers = new Headers(own);
    // fetch leaves it out where a redirect leads to another host.
    if (this.#token) headers.set('Authorization', `Bearer ${this.#token}`);
    for (let attempt = 1; ; attempt++) {
      const watchdog = new Watchdog(this.patience.stall, AbortSignal.any([this.signal, ...(signal ? [signal] : [])]));
      const response = await this.#fetch(url, { headers, signal: watchdog.signal });
      if (response.ok) return { response, watchdog };
      watchdog.stop();
      await response.body?.cancel().catch(() => {});
      if (response.status !== 429 && response.status < 500) throw this.#refusal(response, url);
      const wait = retryAfter(response) ?? this.waitAfter(attempt);
      if (attempt >= this.patience.attempts || wait > this.patience.longestWait) throw this.#busy(response, url, wait);
      await sleep(wait, undefined, { signal: this.signal });
    }
  }

  /** What `work` gives; where the user asked to stop, that is said instead of what broke by it. */
  async stoppable<T>(work: () => Promise<T>): Promise<T> {
    const stopped = () =>
      new InterruptedError('Interrupted; what was downloaded is kept, and the same command goes on from there.');
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(stopped());
      this.signal.addEventListener('abort', onAbort);
    });
    try {
      if (this.signal.aborted) throw stopped();
      return await Promise.race([work(), aborted]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Milliseconds to wait after that many attempts failed. */
  waitAfter(attempt: number): number {
    return Math.min(this.patience.wait * 2 ** (attempt - 1), this.patience.longestWait);
  }

  #busy({ status }: Response, url: string, wait: number): Error {
    const what = status === 429 ? 'The hub takes no more requests for now' : 'The hub has trouble';
    return this.error('HUB_UNREACHABLE', `${what} (${status} for ${url}). Try again in ${Math.ceil(wait / 1000)} s.`);
  }

  #refusal({ status, headers }: Response, url: string): Error {
    const { type, name, revision } = this.#spec;
    const what = `${type} ${name} at revision ${revision}`;
    const code = headers.get('x-error-code');
    const page = `${this.url}/${type === 'dataset' ? 'datasets/' : ''}${name}`;
    if (code === 'GatedRepo') {
      return this.error(
        'HUB_ACCESS',
        `The hub gives ${what} only to those who accepted its terms (${status}). Accept them at ${page} and set HF_TOKEN to a token of that account.`,
      );
    }
    if (status === 401 || status === 403) {
      return this.error(
        'HUB_ACCESS',
        `The hub refuses access to ${what} (${status}). Check the name; if it is right, the repository is private or gated: ` +
          `set HF_TOKEN to a token that may read it, and accept its terms at ${page}.`,
      );
    }
    if (status === 404 && code !== 'EntryNotFound') {
      return this.error('HUB_NOT_FOUND', `The hub has no ${what}. Check the name and the revision.`);
    }
    return this.error('HUB_NOT_FOUND', `The hub answers ${status} for ${url}.`);
  }

  /** ModelError or DataError, after what is asked for. */
  error(code: string, message: string, cause?: unknown): Error {
    return hubError(this.#spec.type, code, message, cause);
  }
}
