import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoopbackServer } from './loopbackServer.js';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export interface HubFile {
  readonly content: Buffer;
  /** Large files are known by their sha256, small ones by git's hash. */
  readonly lfs?: boolean;
}

/** Answers one request in place of the server; `file` is what was asked for, where it was a file. */
export type Answer = (response: ServerResponse, request: IncomingMessage, file: HubFile | undefined) => unknown;

const sha = (kind: string, ...parts: (Buffer | string)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(kind)).digest('hex');

function startOf(request: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
}

function head(response: ServerResponse, request: IncomingMessage, { content }: HubFile): Buffer {
  const start = startOf(request);
  const range = start > 0 ? { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': content.length - start, ...range });
  return content.subarray(start);
}

const whole: Answer = (response, request, file) => response.end(head(response, request, file!));

/** A refusal, as the hub spells it. */
export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(code, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify({ error: 'no' }));
  };
/** The connection breaks after so many bytes of this answer. */
export const cutAfter =
  (bytes: number): Answer =>
  (response, request, file) => {
    const rest = head(response, request, file!);
    response.write(rest.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };
/** Ends in good order, but early: nothing says how long the answer was to be. */
export const endAfter =
  (bytes: number): Answer =>
  (response, request, { content } = { content: Buffer.alloc(0) }) => {
    response.writeHead(startOf(request) > 0 ? 206 : 200, {
      'Content-Range': `bytes ${startOf(request)}-${content.length - 1}/${content.length}`,
    });
    response.end(content.subarray(startOf(request), startOf(request) + bytes));
  };
/** Nothing more comes after so many bytes, and the connection stays open. */
export const stallAfter =
  (bytes: number): Answer =>
  (response, request, file) => {
    response.write(head(response, request, file!).subarray(0, bytes));
  };
/** A piece every few milliseconds. */
export const slowly =
  (bytes: number, ms: number): Answer =>
  async (response, request, file) => {
    const rest = head(response, request, file!);
    for (let at = 0; at < rest.length && !response.destroyed; at += bytes) {
      response.write(rest.subarray(at, at + bytes));
      await sleep(ms);
    }
    response.end();
  };
/** The file from its first byte, whatever part was asked for, then something else. */
export const content =
  (make: (content: Buffer) => Buffer = (own) => own): Answer =>
  (response, _, file) => {
    response.writeHead(200).end(make(file!.content));
  };
export const redirect =
  (to: string): Answer =>
  (response, request) => {
    response.writeHead(302, { Location: `${to}${request.url}` }).end();
  };
/** Accepts the connection and says nothing. */
export const silence: Answer = () => {};
export const hangUp: Answer = (response) => response.destroy();

/** A hub on this machine: revision, tree (in pages) and resolve of one repository, with answers that go wrong where a test says so. */
export class HubServer extends LoopbackServer {
  /** Every request, in order. */
  readonly requests: { path: string; range: string | undefined; authorization: string | undefined }[] = [];
  readonly #scripts: { pattern: RegExp; answers: Answer[] }[] = [];

  constructor(
    readonly files: Record<string, HubFile>,
    readonly name = 'owner/repo',
  ) {
    super((request, response) => {
      this.answer(request, response);
    });
  }

  /** The next requests of a path are answered so, one after the other. */
  next(pattern: RegExp, ...answers: Answer[]): this {
    this.#scripts.push({ pattern, answers });
    return this;
  }

  /** Answers everything rightly from now on. */
  forget(): void {
    this.#scripts.length = 0;
  }

  asked(pattern: RegExp): number {
    return this.requests.filter(({ path }) => pattern.test(path)).length;
  }

  /** Of a request for this repository, also one that came to another server. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.url);
    const path = decodeURIComponent(url.pathname);
    const { range, authorization } = request.headers;
    this.requests.push({ path, range, authorization });
    const file = /\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1];
    const found = file === undefined ? undefined : this.files[file];
    const script = this.#scripts.find(({ pattern, answers }) => answers.length > 0 && pattern.test(path));
    if (script !== undefined) {
      script.answers.shift()!(response, request, found);
      return;
    }
    if (found !== undefined) {
      whole(response, request, found);
      return;
    }
    const api = new RegExp(`^/api/(?:models|datasets)/${this.name}/(revision|tree)/([^/]+)$`).exec(path);
    if (api?.[1] === 'revision') this.#json(response, { _id: 'x', id: this.name, sha: COMMIT });
    else if (api?.[2] === COMMIT) this.#tree(response, Number(url.searchParams.get('page') ?? 0), path);
    else
      status(404, { 'X-Error-Code': file === undefined ? 'RepoNotFound' : 'EntryNotFound' })(
        response,
        request,
        undefined,
      );
  }

  /** Two entries a page: readers that take the first page for all miss files. */
  #tree(response: ServerResponse, page: number, path: string): void {
    const entries = Object.entries(this.files).map(([name, { content, lfs }]) => ({
      type: 'file',
      path: name,
      size: lfs ? 130 : content.length,
      oid: sha('sha1', `blob ${content.length}\0`, content),
      ...(lfs ? { lfs: { oid: sha('sha256', content), size: content.length, pointerSize: 130 } } : {}),
    }));
    const more = (page + 1) * 2 < entries.length;
    const link = more ? { Link: `<${this.url}${path}?page=${page + 1}>; rel="next"` } : {};
    this.#json(response, entries.slice(page * 2, page * 2 + 2), link as Record<string, string>);
  }

  #json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value));
  }
}
