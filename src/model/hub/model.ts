import { basename, dirname } from 'node:path/posix';
import { ModelError } from '../../errors.js';
import { partNames } from '../gguf/parts.js';
import { readJson } from '../hf/json.js';
import { INDEX, SINGLE, shardsOf } from '../hf/weightFiles.js';
import type { LoadModelOptions } from '../types.js';
import { openSnapshot, type Snapshot } from './snapshot.js';
import { parseHubSpec } from './spec.js';

/** What a Hugging Face folder needs besides its weights. */
const SIDE_FILES = /^(config|tokenizer|tokenizer_config)\.json$|^chat_template\.jinja$/;

/** Brings the files that loading a folder reads, and no second set of weights that may lie beside them. */
async function fetchFolder(snapshot: Snapshot): Promise<string> {
  for (const file of snapshot.files.filter((name) => SIDE_FILES.test(name))) await snapshot.fetchFile(file);
  if (snapshot.files.includes(SINGLE)) await snapshot.fetchFile(SINGLE);
  else {
    const index = (await readJson(await snapshot.fetchFile(INDEX), 'BAD_METADATA')) ?? {};
    for (const shard of shardsOf(index, snapshot.folder)) await snapshot.fetchFile(shard);
  }
  return snapshot.folder;
}

/** Brings a .gguf file, with its other parts where it is one of several. */
async function fetchGguf(snapshot: Snapshot, file: string): Promise<string> {
  const folder = dirname(file);
  const parts = partNames(file)?.map((name) => (folder === '.' ? name : `${folder}/${name}`)) ?? [file];
  const paths: string[] = [];
  for (const part of parts) paths.push(await snapshot.fetchFile(part));
  return paths[0]!;
}

/** The .gguf file to take where the spec names none. Throws ModelError NOT_FOUND, AMBIGUOUS_FILE. */
function onlyGguf(snapshot: Snapshot, spec: string, hubId: string): string {
  const isFirst = (file: string) => [undefined, basename(file)].includes(partNames(file)?.[0]);
  const ggufs = snapshot.files.filter((file) => file.toLowerCase().endsWith('.gguf') && isFirst(file));
  if (ggufs.length === 1) return ggufs[0]!;
  if (ggufs.length > 1) {
    const choices = ggufs.map((file) => `hf:${hubId}/${file}`).join('\n  ');
    throw new ModelError('AMBIGUOUS_FILE', `${spec} has ${ggufs.length} .gguf models. Name one of them:\n  ${choices}`);
  }
  const doubt = snapshot.warning === undefined ? '' : ` ${snapshot.warning}`;
  throw new ModelError(
    'NOT_FOUND',
    `Expected config.json with ${SINGLE} (or ${INDEX}), or a .gguf file, in ${spec} but it has neither.${doubt}`,
  );
}

export interface FetchedModel {
  /** On this machine. */
  readonly path: string;
  readonly hubId: string;
  /** Commit that the revision stood for. */
  readonly revision: string;
  /** Why the hub was not asked. */
  readonly warning?: string;
}

/**
 * Brings a model of the hub to this machine: the .gguf model that the spec names or the only one there is, or else the
 * files of a Hugging Face folder. Throws ModelError of the hub, NOT_FOUND or AMBIGUOUS_FILE; RunError WRITE_FAILED.
 */
export async function fetchModel(spec: string, options: LoadModelOptions): Promise<FetchedModel> {
  const parsed = parseHubSpec(spec, 'model', options.revision);
  const { file, name: hubId } = parsed;
  if (file !== undefined && !file.toLowerCase().endsWith('.gguf')) {
    throw new ModelError('BAD_HUB_SPEC', `Expected a .gguf file after hf:${hubId}/ but received "${file}".`);
  }
  const snapshot = await openSnapshot(parsed, options);
  const { files, commit: revision, warning } = snapshot;
  const isFolder =
    file === undefined && files.includes('config.json') && (files.includes(SINGLE) || files.includes(INDEX));
  const path = isFolder
    ? await fetchFolder(snapshot)
    : await fetchGguf(snapshot, file ?? onlyGguf(snapshot, spec, hubId));
  return { path, hubId, revision, ...(warning === undefined ? {} : { warning }) };
}
