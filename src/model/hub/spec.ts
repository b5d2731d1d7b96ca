import { DataError, type FedtuneError, ModelError } from '../../errors.js';

/** A repository on the hub, a revision of it and, where one is meant, a file in it. */
export interface HubSpec {
  readonly type: 'model' | 'dataset';
  /** `owner/repo`. */
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  readonly file?: string;
}

/** ModelError or DataError, after what the repository holds. */
export function hubError(type: HubSpec['type'], code: string, message: string, cause?: unknown): FedtuneError {
  const options = cause === undefined ? {} : { cause };
  return type === 'model' ? new ModelError(code, message, options) : new DataError(code, message, options);
}

const NAME = /^[\w-][\w.-]*$/;

/**
 * Whether what becomes a path in the cache stays inside of it, on every system: a file, or a branch, tag, commit or
 * `refs/pr/1`.
 */
export const isInside = (path: string): boolean =>
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\0]/.test(part));

/** Reads `hf:owner/repo[@revision][/path/to/file]`. Throws BAD_HUB_SPEC. */
export function parseHubSpec(spec: string, type: HubSpec['type'], revision = 'main'): HubSpec {
  const bad = () => hubError(type, 'BAD_HUB_SPEC', `Expected hf:owner/repo[@revision][/file] but received "${spec}".`);
  const [owner, second, ...path] = spec.replace(/^hf:/, '').split('/');
  const [repo, at, ...more] = (second ?? '').split('@');
  if (!NAME.test(owner ?? '') || !NAME.test(repo ?? '') || more.length > 0 || at === '') throw bad();
  if (path.some((part) => part === '' || part === '.' || part === '..' || part.includes('\\'))) throw bad();
  if (!isInside(at ?? revision)) throw bad();
  const file = path.length > 0 ? { file: path.join('/') } : {};
  return { type, name: `${owner}/${repo}`, revision: at ?? revision, ...file };
}
