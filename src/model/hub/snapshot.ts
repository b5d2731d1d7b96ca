import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { datasetInfo, getHFHubCachePath, HUB_URL, listFiles, modelInfo } from '@huggingface/hub';
import { type Blob, downloadBlob, linkBlob } from './download.js';
import { type HubSpec, hubError } from './spec.js';

export interface HubOptions {
  readonly cacheDir?: string;
  readonly token?: string;
  readonly fetch?: typeof fetch;
}

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
}

const COMMIT = /^[0-9a-f]{40}$/;

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Folder of a repository in the cache that all hub tools share: `models--owner--repo`. */
function repoFolder(spec: HubSpec, options: HubOptions): string {
  return join(options.cacheDir ?? getHFHubCachePath(), `${spec.type}s--${spec.name.replaceAll('/', '--')}`);
}

/** The commit that a branch or tag stood for when it was last looked up; undefined: never. */
async function cachedCommit(folder: string, revision: string): Promise<string | undefined> {
  if (COMMIT.test(revision)) return revision;
  const commit = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => '');
  return COMMIT.test(commit.trim()) ? commit.trim() : undefined;
}

interface HubAccess {
  readonly hubUrl: string;
  readonly token: string | undefined;
  readonly fetch: typeof fetch;
}

function accessOf(options: HubOptions): HubAccess {
  const token = options.token ?? process.env.HF_TOKEN;
  return {
    hubUrl: process.env.HF_ENDPOINT ?? HUB_URL,
    token: token === '' ? undefined : token,
    fetch: options.fetch ?? fetch,
  };
}

/** What the hub's API was asked for and why it failed, as an error that says what to do. */
function explain(spec: HubSpec, cause: unknown): Error {
  const status = (cause as { statusCode?: number }).statusCode;
  const what = `${spec.type} ${spec.name} at revision ${spec.revision}`;
  if (status === 401 || status === 403) {
    return hubError(
      spec.type,
      'HUB_ACCESS',
      `The hub refuses access to ${what}. Set HF_TOKEN, or accept its terms.`,
      cause,
    );
  }
  if (status === 404) return hubError(spec.type, 'HUB_NOT_FOUND', `The hub has no ${what}.`, cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return hubError(
    spec.type,
    'HUB_UNREACHABLE',
    `The hub could not be asked for ${what}: ${reason}. Nothing of it is in the cache; try again or give a local path.`,
    cause,
  );
}

async function ask(spec: HubSpec, access: HubAccess): Promise<{ commit: string; blobs: Map<string, Blob> }> {
  const credentials = { ...(access.token === undefined ? {} : { accessToken: access.token }), ...access };
  const info = { name: spec.name, revision: spec.revision, additionalFields: ['sha'] as ['sha'], ...credentials };
  const { sha } = spec.type === 'model' ? await modelInfo(info) : await datasetInfo(info);
  if (!COMMIT.test(sha)) throw new Error(`its commit is ${String(sha).slice(0, 60)}`);
  const blobs = new Map<string, Blob>();
  const repo = { type: spec.type, name: spec.name };
  for await (const entry of listFiles({ repo, revision: sha, recursive: true, ...credentials })) {
    if (entry.type !== 'file' || entry.path.split('/').includes('..')) continue;
    const size = entry.lfs?.size ?? entry.size;
    const hash = entry.lfs === undefined ? { sha1: entry.oid } : { sha256: entry.lfs.oid };
    blobs.set(entry.path, { size, ...hash });
  }
  return { commit: sha, blobs };
}

/**
 * Looks a revision up on the hub, or in the cache where the hub cannot be reached and the revision is there.
 * Throws HUB_ACCESS, HUB_NOT_FOUND, HUB_UNREACHABLE.
 */
export async function openSnapshot(spec: HubSpec, options: HubOptions = {}): Promise<Snapshot> {
  const repo = repoFolder(spec, options);
  const access = accessOf(options);
  let found: Awaited<ReturnType<typeof ask>>;
  try {
    found = await ask(spec, access);
  } catch (cause) {
    const offline = await cachedSnapshot(spec, repo);
    if (offline !== undefined) return offline;
    throw explain(spec, cause);
  }
  const { commit, blobs } = found;
  if (!COMMIT.test(spec.revision)) {
    const ref = join(repo, 'refs', spec.revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, commit);
  }
  const folder = join(repo, 'snapshots', commit);
  const prefix = spec.type === 'dataset' ? 'datasets/' : '';
  return {
    commit,
    files: [...blobs.keys()].sort(),
    folder,
    async fetchFile(path) {
      const target = join(folder, path);
      if (await exists(target)) return target;
      const blob = blobs.get(path);
      if (blob === undefined) throw hubError(spec.type, 'HUB_NOT_FOUND', `${spec.name} has no file ${path}.`);
      const url = `${access.hubUrl}/${prefix}${spec.name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
      const stored = await downloadBlob({ url, blob, folder: join(repo, 'blobs'), type: spec.type, ...access });
      await linkBlob(stored, target);
      return target;
    },
  };
}

/** Every file under a folder, as paths relative to it with forward slashes. */
async function filesUnder(folder: string): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
}

async function cachedSnapshot(spec: HubSpec, repo: string): Promise<Snapshot | undefined> {
  const commit = await cachedCommit(repo, spec.revision);
  if (commit === undefined) return undefined;
  const folder = join(repo, 'snapshots', commit);
  if (!(await exists(folder))) return undefined;
  return {
    commit,
    files: await filesUnder(folder),
    folder,
    async fetchFile(path) {
      const target = join(folder, path);
      if (await exists(target)) return target;
      throw hubError(
        spec.type,
        'HUB_UNREACHABLE',
        `The hub cannot be reached and ${path} of ${spec.name} is not in the cache.`,
      );
    },
  };
}
