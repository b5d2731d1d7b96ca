import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { datasetInfo, getHFHubCachePath, listFiles, modelInfo } from '@huggingface/hub';
import { FedtuneError } from '../../errors.js';
import { makeFolder, writeAtomic } from '../../files.js';
import { HubAccess, type HubOptions } from './access.js';
import { type Blob, downloadBlob, linkBlob, reasonOf } from './download.js';
import { type HubSpec, isInside } from './spec.js';

/** One revision of a repository: which files it has, and where they are or will be on this machine. */
export interface Snapshot {
  /** Commit that the revision stands for. */
  readonly commit: string;
  /** Paths inside the repository, sorted. */
  readonly files: readonly string[];
  /** Local path of a file; downloads it first where it is not cached. */
  fetchFile(path: string): Promise<string>;
  /** Folder that the files lie in, as in the repository. */
  readonly folder: string;
  /** Set where the hub was not asked: why, and what that means, in a sentence. */
  readonly warning?: string;
}

const COMMIT = /^[0-9a-f]{40}$/;

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The part of the cache that all hub tools share which belongs to one repository: `models--owner--repo`. */
class RepoCache {
  readonly #folder: string;

  constructor(spec: HubSpec, cacheDir: string) {
    this.#folder = join(cacheDir, `${spec.type}s--${spec.name.replaceAll('/', '--')}`);
  }

  get blobs(): string {
    return join(this.#folder, 'blobs');
  }

  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit);
  }

  /** Ours, beside what other tools know: the files of a commit, so that without the hub nothing is taken for whole that is not. */
  #listing(commit: string): string {
    return join(this.#folder, '.fedtune', `${commit}.json`);
  }

  /** The commit that a branch or tag stood for when it was last looked up; undefined: never. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision;
    const commit = await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => '');
    return COMMIT.test(commit.trim()) ? commit.trim() : undefined;
  }

  async #write(path: string, text: string): Promise<void> {
    await makeFolder(dirname(path));
    await writeAtomic(path, text, { temporary: `${path}.${randomUUID()}.tmp` });
  }

  async remember(revision: string, commit: string, files: readonly string[]): Promise<void> {
    if (!COMMIT.test(revision)) await this.#write(join(this.#folder, 'refs', revision), commit);
    await this.#write(this.#listing(commit), JSON.stringify(files));
  }

  /** Files of a commit: all that the hub once listed, or, where only other tools asked it, those that are here. */
  async filesOf(commit: string): Promise<{ files: string[]; complete: boolean }> {
    // One that is missing or damaged is as if only other tools had asked.
    const listed = await readFile(this.#listing(commit), 'utf8')
      .then((text) => JSON.parse(text) as string[])
      .catch(() => []);
    if (listed.length > 0) return { files: listed, complete: true };
    const folder = this.snapshot(commit);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const here = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    const relative = here.map((path) => path.slice(folder.length + 1).replaceAll('\\', '/'));
    return { files: relative.sort(), complete: false };
  }
}

async function ask(spec: HubSpec, access: HubAccess): Promise<{ commit: string; blobs: Map<string, Blob> }> {
  const { name, type, revision } = spec;
  const through = {
    hubUrl: access.url,
    // Refusals become errors here, with what the headers say; the token is put in here too, whatever it looks like.
    fetch: (async (url: string) => (await access.get(url)).response) as typeof fetch,
  };
  const info = { name, revision, additionalFields: ['sha'] as ['sha'], ...through };
  const { sha } = type === 'model' ? await modelInfo(info) : await datasetInfo(info);
  if (!COMMIT.test(sha)) throw new Error(`its commit is ${String(sha).slice(0, 60)}`);
  const blobs = new Map<string, Blob>();
  for await (const entry of listFiles({ repo: { type, name }, revision: sha, recursive: true, ...through })) {
    if (entry.type !== 'file' || !isInside(entry.path)) continue;
    const size = entry.lfs?.size ?? entry.size;
    const hash = entry.lfs === undefined ? { sha1: entry.oid } : { sha256: entry.lfs.oid };
    blobs.set(entry.path, { size, ...hash });
  }
  return { commit: sha, blobs };
}

/**
 * Looks a revision up on the hub; in the cache where the hub cannot be reached (with a warning) or is not to be asked, and the
 * revision is there.
 *
 * Throws HUB_ACCESS, HUB_NOT_FOUND, HUB_UNREACHABLE; RunError WRITE_FAILED.
 */
export async function openSnapshot(spec: HubSpec, options: HubOptions = {}): Promise<Snapshot> {
  const cache = new RepoCache(spec, options.cacheDir ?? getHFHubCachePath());
  const access = new HubAccess(spec, options);
  if (access.offline) return fromCache(spec, cache, access);
  let found: Awaited<ReturnType<typeof ask>>;
  try {
    found = await access.stoppable(() => ask(spec, access));
  } catch (cause) {
    // What the hub refuses is refused, whatever the cache holds.
    if (cause instanceof FedtuneError && cause.code !== 'HUB_UNREACHABLE') throw cause;
    return fromCache(spec, cache, access, cause);
  }
  const { commit, blobs } = found;
  const files = [...blobs.keys()].sort();
  // A cache that others filled may be read-only; what has to be downloaded says so itself.
  await cache.remember(spec.revision, commit, files).catch(() => {});
  const folder = cache.snapshot(commit);
  const prefix = spec.type === 'dataset' ? 'datasets/' : '';
  return {
    commit,
    files,
    folder,
    async fetchFile(path) {
      const target = join(folder, path);
      if (await exists(target)) return target;
      const blob = blobs.get(path);
      if (blob === undefined) throw access.error('HUB_NOT_FOUND', `${spec.name} has no file ${path}.`);
      const place = path.split('/').map(encodeURIComponent).join('/');
      const url = `${access.url}/${prefix}${spec.name}/resolve/${commit}/${place}`;
      await linkBlob(
        await access.stoppable(() => downloadBlob({ file: path, url, blob, folder: cache.blobs, access })),
        target,
      );
      return target;
    },
  };
}

/** What is in the cache, without asking; `failure` is why the hub could not be asked, or nothing where it was not to be. */
async function fromCache(spec: HubSpec, cache: RepoCache, access: HubAccess, failure?: unknown): Promise<Snapshot> {
  const what = `${spec.type} ${spec.name} at revision ${spec.revision}`;
  const why =
    failure === undefined
      ? 'HF_HUB_OFFLINE (or `offline`) says not to ask the hub'
      : `the hub could not be asked for ${what}: ${reasonOf(failure).replace(/\.$/, '')}`;
  const commit = await cache.commitOf(spec.revision);
  const folder = cache.snapshot(commit ?? '');
  if (commit === undefined || !(await exists(folder))) {
    const advice = failure === undefined ? 'Unset it' : 'Try again';
    const message = `Expected ${what} in the cache, because ${why}, but it is not there. ${advice}, or give a local path.`;
    throw access.error('HUB_UNREACHABLE', message, failure);
  }
  const { files, complete } = await cache.filesOf(commit);
  const doubt = complete ? '' : '; files that no tool has downloaded yet are missing from it';
  return {
    commit,
    files,
    folder,
    ...(failure === undefined && complete
      ? {}
      : { warning: `${spec.name} is taken from the cache (commit ${commit.slice(0, 12)}${doubt}), because ${why}.` }),
    async fetchFile(path) {
      const target = join(folder, path);
      if (await exists(target)) return target;
      throw access.error(
        'HUB_UNREACHABLE',
        `Expected ${path} of ${spec.name} in the cache, because ${why}, but it is not there.`,
        failure,
      );
    },
  };
}
