/** Where a base model is published. */
export interface Origin {
  /** `owner/repo` on the hub. */
  readonly hubId?: string;
  /** Commit of the hub that its files are of. */
  readonly revision?: string;
}

/** `models--owner--repo/snapshots/<commit>`, as all hub tools cache. The hub allows no `--` in names. */
const SNAPSHOT = /models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})(?:[/\\]|$)/;

/** A hub id, or the address of one on the hub's own site; not a path of the machine that saved the model. */
const HUB_ID =
  /^(?:https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\/)?([A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*?)(?:\.git)?\/?$/;

/**
 * What is known of a model on this machine: its path in the hub's cache, or else the first of `names` (from its metadata)
 * that is a hub id.
 */
export function originOf(path: string, names: readonly unknown[]): Origin {
  const [, owner, repo, revision] = SNAPSHOT.exec(path) ?? [];
  if (revision !== undefined) return { hubId: `${owner}/${repo}`, revision };
  const found = names.map((name) => (typeof name === 'string' ? HUB_ID.exec(name)?.[1] : undefined));
  const hubId = found.find((name) => name !== undefined);
  return hubId === undefined ? {} : { hubId };
}
