import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRepo, HUB_URL, HubApiError, type ListFileEntry, listFiles, uploadFiles } from '@huggingface/hub';
import { FedtuneError, InterruptedError, ModelError } from '../../errors.js';
import { hashFile, sha256File } from '../../sha256.js';

export interface PushOptions {
  /** `owner/repo` of models. */
  readonly repo: string;
  /** Needs the right to write there. */
  readonly token: string;
  /** Of a repository that is made; one that is there stays as it is. @default 'private' */
  readonly visibility?: 'public' | 'private';
  /** First line of the commit. */
  readonly title: string;
  readonly signal?: AbortSignal;
}

const CONFLICT = 409;

function refusal(error: unknown, { repo, signal }: PushOptions): Error {
  if (error instanceof FedtuneError) return error;
  if (signal?.aborted) return new InterruptedError('Interrupted; the repository is as it was before.');
  const status = error instanceof HubApiError ? error.statusCode : undefined;
  const cause = { cause: error };
  if (status === 401 || status === 403)
    return new ModelError(
      'HUB_ACCESS',
      `The hub lets this token not write to ${repo} (${status}). Set HF_TOKEN to one with the right to write there, and check the name.`,
      cause,
    );
  const what = `Expected the hub to take what was pushed to ${repo} but ${(error as Error).message}`;
  return new ModelError('HUB_UNREACHABLE', `${what.replace(/\.?$/, '.')} Push again.`, cause);
}

/** Throws ModelError READ_BACK where the hub holds another file than the one that was pushed. */
async function compare(folder: string, files: readonly string[], listing: AsyncIterable<ListFileEntry>): Promise<void> {
  const there = new Map<string, ListFileEntry>();
  for await (const entry of listing) there.set(entry.path, entry);
  for (const file of files) {
    const path = join(folder, file);
    const entry = there.get(file);
    const { size } = await stat(path);
    const own = entry?.lfs ? await sha256File(path) : await hashFile(path, createHash('sha1').update(`blob ${size}\0`));
    if (own !== (entry?.lfs?.oid ?? entry?.oid))
      throw new ModelError('READ_BACK', `The hub does not hold ${file} as it is in ${folder}. Push again.`);
  }
}

/**
 * Uploads files of a folder to a model repository of the hub in one commit, makes the repository where there is none, and compares
 * what the hub then lists with the files. Returns the address of the commit.
 *
 * Throws ModelError HUB_ACCESS, HUB_UNREACHABLE, READ_BACK; InterruptedError.
 */
export async function pushFolder(folder: string, files: readonly string[], options: PushOptions): Promise<string> {
  const { repo: name, token: accessToken, visibility = 'private', title: commitTitle, signal } = options;
  const hub = { hubUrl: (process.env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, ''), accessToken };
  const repo = { type: 'model' as const, name };
  try {
    await createRepo({ repo, visibility, ...hub }).catch((error: unknown) => {
      if (!(error instanceof HubApiError && error.statusCode === CONFLICT)) throw error;
    });
    const contents = files.map((path) => ({ path, content: pathToFileURL(join(folder, path)) }));
    const done = await uploadFiles({
      repo,
      files: contents,
      commitTitle,
      ...hub,
      ...(signal ? { abortSignal: signal } : {}),
    });
    const { oid, url } = done!.commit;
    await compare(folder, files, listFiles({ repo, revision: oid, recursive: true, ...hub }));
    return url;
  } catch (error) {
    throw refusal(error, options);
  }
}
