import { randomBytes, timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { reportHtml } from './page/index.js';
import { readRecord } from './record.js';

/** Milliseconds between two looks at the run folder. */
const LOOK = 300;
/** Making the page may take one part of this many of the time: a run goes on beside it. */
const SHARE = 20;
/** Milliseconds that a reader has for the last page. */
const PATIENCE = 3000;
/** Files that a page changes with. */
const WATCHED = ['events.jsonl', 'metrics.json', 'perfit.svg'];

/** What a run is at. */
export interface LiveStatus {
  readonly text: string;
  /** Of all rounds, how many are done, and of the one at hand what part: 0 .. 1. */
  readonly share: number;
  /** A sentence a round, which is read out to those who do not see the page. */
  readonly round: string;
}

/** A report that is served while its run goes on. */
export interface LiveReport {
  /** Where it is: on this machine alone, under a name that cannot be guessed. */
  readonly url: string;
  show(status: LiveStatus): void;
  /** Hands `last` and the page as it then is to whoever reads, and ends. */
  close(last: string): Promise<void>;
}

export interface LiveReportOptions {
  /** Run folder, of a run that has begun. */
  readonly dir: string;
  /** Owners to draw, also where there are too many to draw all. */
  readonly owners?: readonly string[];
  /** Gets the reason where a page cannot be made: once, until one can be again. */
  readonly onWarning?: (error: unknown) => void;
}

interface Reader {
  readonly response: ServerResponse;
  /** The page that it has. */
  version: number;
}

/** One event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
const eventText = (type: string, data: unknown, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

const HEADERS = {
  // Every answer ends its connection: none is left over when the server ends.
  Connection: 'close',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** What the files of the run say of themselves: other where the page may be another. */
async function stampOf(dir: string): Promise<string> {
  const stamps = WATCHED.map((name) =>
    stat(join(dir, name)).then(
      ({ size, mtimeMs }) => `${size}/${mtimeMs}`,
      () => '',
    ),
  );
  return (await Promise.all(stamps)).join();
}

/** The page of a run folder, made anew where its files have changed and enough time has passed. */
class CurrentPage {
  readonly #options: LiveReportOptions;
  #stamp: string | undefined;
  #next = 0;
  #warned = false;
  #making: Promise<void> | undefined;
  html = '';
  version = 0;

  constructor(options: LiveReportOptions) {
    this.#options = options;
  }

  async #make(now: boolean): Promise<void> {
    const { dir, owners = [], onWarning } = this.#options;
    const stamp = await stampOf(dir);
    const begun = performance.now();
    if (stamp === this.#stamp || (begun < this.#next && !now)) return;
    try {
      const record = { ...(await readRecord(dir)), asked: owners };
      this.html = reportHtml(record, { events: `events?have=${this.version + 1}` });
      this.version++;
      this.#warned = false;
    } catch (error) {
      if (!this.#warned) onWarning?.(error);
      this.#warned = true;
    }
    this.#stamp = stamp;
    this.#next = performance.now() + SHARE * (performance.now() - begun);
  }

  /** `now`: however long that takes. */
  async update(now = false): Promise<void> {
    // One at a time; a run that ends waits for the page that is being made.
    while (this.#making) await this.#making;
    this.#making = this.#make(now).finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }
}

/**
 * What a request asks for below the token, undefined where it is none of a page that this server gave: another page may know the port,
 * and lead a name of its own here.
 */
function pathOf({ headers, url = '' }: IncomingMessage, port: number, token: Buffer): URL | undefined {
  if (headers.host !== `127.0.0.1:${port}` && headers.host !== `localhost:${port}`) return undefined;
  const given = Buffer.from(url.slice(1, 1 + token.length));
  if (given.length !== token.length || !timingSafeEqual(given, token)) return undefined;
  const path = url.slice(1 + token.length);
  return path.startsWith('/') ? new URL(`http://localhost${path}`) : undefined;
}

/**
 * Serves the report of a run on this machine, following the run: each page that shows it gets every newer one as a server-sent event.
 * Throws what `listen` throws, and where there is no page yet what kept it from being made.
 */
export async function serveReport(options: LiveReportOptions): Promise<LiveReport> {
  const token = Buffer.from(randomBytes(18).toString('base64url'));
  let failure: unknown;
  const page = new CurrentPage({
    ...options,
    onWarning: (error) => {
      failure = error;
      options.onWarning?.(error);
    },
  });
  await page.update(true);
  if (page.version === 0) throw failure;
  const readers = new Set<Reader>();
  let status: LiveStatus | undefined;

  const bring = (reader: Reader): void => {
    // Who does not read gets the newest page later, and none of those between.
    if (reader.version === page.version || reader.response.writableNeedDrain) return;
    reader.response.write(eventText('page', page.html, page.version));
    reader.version = page.version;
  };
  const server = createServer(async (request, response) => {
    const { port } = server.address() as AddressInfo;
    const asked = pathOf(request, port, token);
    if (asked?.pathname !== '/' && asked?.pathname !== '/events') {
      response.writeHead(404, HEADERS).end();
    } else if (request.method !== 'GET') {
      response.writeHead(405, { ...HEADERS, Allow: 'GET' }).end();
    } else if (asked.pathname === '/') {
      await page.update();
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/html; charset=utf-8' }).end(page.html);
    } else {
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' }).flushHeaders();
      const have = request.headers['last-event-id'] ?? asked.searchParams.get('have');
      const reader: Reader = { response, version: Number(have) };
      readers.add(reader);
      response.on('close', () => readers.delete(reader));
      if (status) response.write(eventText('status', status));
      bring(reader);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const timer = setInterval(async () => {
    if (readers.size === 0) return;
    await page.update();
    readers.forEach(bring);
  }, LOOK);
  timer.unref();

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${token}/`,
    show(now) {
      status = now;
      for (const { response } of readers) if (!response.writableNeedDrain) response.write(eventText('status', now));
    },
    async close(last) {
      clearInterval(timer);
      if (readers.size > 0) await page.update(true);
      for (const reader of readers) {
        bring(reader);
        reader.response.end(eventText('end', last));
      }
      const late = setTimeout(() => server.closeAllConnections(), PATIENCE);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      clearTimeout(late);
    },
  };
}
