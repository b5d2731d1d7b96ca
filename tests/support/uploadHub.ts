import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { COMMIT } from './hubServer.js';
import { LoopbackServer } from './loopbackServer.js';

const hash = (kind: string, ...parts: (string | Buffer)[]) =>
  parts.reduce((made, part) => made.update(part), createHash(kind)).digest('hex');

interface CommitLine {
  readonly key: string;
  readonly value: { readonly path: string; readonly content?: string; readonly oid?: string };
}

/**
 * A hub on this machine that takes uploads: makes a repository, says which files are large (safetensors and gguf), takes those by the LFS
 * protocol and the others in the commit, and lists what it then has. `token` alone may write.
 */
export class UploadHub extends LoopbackServer {
  readonly files = new Map<string, Buffer>();
  readonly created: unknown[] = [];
  readonly requests: string[] = [];
  /** What happens to a large file on its way. */
  damage: (content: Buffer) => Buffer = (content) => content;
  readonly #objects = new Map<string, Buffer>();

  constructor(readonly token: string) {
    super((request, response) => void this.#handle(request, response));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const path = new URL(request.url!, this.url).pathname;
    this.requests.push(`${request.method} ${path}`);
    const say = (status: number, value: unknown = {}) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    if (path.startsWith('/objects/')) {
      this.#objects.set(path.slice('/objects/'.length), this.damage(body));
      say(200);
    } else if (request.headers.authorization !== `Bearer ${this.token}`) say(401, { error: 'no' });
    else if (path === '/api/repos/create') this.#create(JSON.parse(String(body)), say);
    else if (path.includes('/preupload/')) say(200, this.#modes(JSON.parse(String(body))));
    else if (path.endsWith('/info/lfs/objects/batch')) say(200, this.#batch(JSON.parse(String(body))));
    else if (path.includes('/commit/')) say(200, this.#commit(String(body)));
    else if (path.includes('/tree/'))
      say(
        200,
        [...this.files].map(([name, content]) => this.#entry(name, content)),
      );
    else say(404);
  }

  #create(wanted: unknown, say: (status: number, value?: unknown) => unknown): void {
    const isThere = this.created.length > 0;
    if (!isThere) this.created.push(wanted);
    say(isThere ? 409 : 200, { url: `${this.url}/me/mine`, id: 'x' });
  }

  #isLarge = (path: string): boolean => /\.(safetensors|gguf)$/.test(path);

  #modes({ files }: { files: { path: string }[] }) {
    return { files: files.map(({ path }) => ({ path, uploadMode: this.#isLarge(path) ? 'lfs' : 'regular' })) };
  }

  #batch({ objects }: { objects: { oid: string; size: number }[] }) {
    const upload = (oid: string) => ({ upload: { href: `${this.url}/objects/${oid}` } });
    return { transfer: 'basic', objects: objects.map(({ oid, size }) => ({ oid, size, actions: upload(oid) })) };
  }

  #commit(lines: string) {
    for (const line of lines.split('\n')) {
      const { key, value } = JSON.parse(line) as CommitLine;
      if (key === 'file') this.files.set(value.path, Buffer.from(value.content!, 'base64'));
      if (key === 'lfsFile') this.files.set(value.path, this.#objects.get(value.oid!)!);
    }
    return { commitOid: COMMIT, commitUrl: `${this.url}/me/mine/commit/${COMMIT}`, hookOutput: '' };
  }

  #entry(path: string, content: Buffer) {
    const oid = hash('sha1', `blob ${content.length}\0`, content);
    const lfs = this.#isLarge(path)
      ? { lfs: { oid: hash('sha256', content), size: content.length, pointerSize: 130 } }
      : {};
    return { type: 'file', path, size: content.length, oid, ...lfs };
  }
}
