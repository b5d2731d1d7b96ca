import { ModelError } from '../../errors.js';
import type { LoadModelOptions } from '../types.js';
import { openSnapshot, type Snapshot } from './snapshot.js';
import { parseHubSpec } from './spec.js';

/** What a Hugging Face folder needs besides its weights. */
const SIDE_FILES = /^(config|tokenizer|tokenizer_config|model\.safetensors\.index)\.json$|^chat_template\.jinja$/;

async function fetchFolder(snapshot: Snapshot): Promise<string> {
  // One layout only: repositories may hold the same weights a second time under another name.
  const shards = snapshot.files.filter((file) => /^model-\d+-of-\d+\.safetensors$/.test(file));
  const weights = snapshot.files.includes('model.safetensors') ? ['model.safetensors'] : shards;
  const sides = snapshot.files.filter(
    (file) => SIDE_FILES.test(file) && !(file === 'model.safetensors.index.json' && weights.length === 1),
  );
  for (const file of [...sides, ...weights]) await snapshot.fetchFile(file);
  return snapshot.folder;
}

export interface FetchedModel {
  /** On this machine. */
  readonly path: string;
  readonly hubId: string;
  /** Commit that the revision stood for. */
  readonly revision: string;
}

/**
 * Brings a model of the hub to this machine: the .gguf file that the spec names or the only one there is, or else the
 * files of a Hugging Face folder. Throws ModelError of the hub, or AMBIGUOUS_FILE.
 */
export async function fetchModel(spec: string, options: LoadModelOptions): Promise<FetchedModel> {
  const parsed = parseHubSpec(spec, 'model', options.revision);
  const snapshot = await openSnapshot(parsed, options);
  const hubId = parsed.name;
  const origin = { hubId, revision: snapshot.commit };
  if (parsed.file !== undefined) {
    if (parsed.file.toLowerCase().endsWith('.gguf')) return { path: await snapshot.fetchFile(parsed.file), ...origin };
    throw new ModelError('BAD_HUB_SPEC', `Expected a .gguf file after hf:${hubId}/ but received "${parsed.file}".`);
  }
  const { files } = snapshot;
  const hasWeights = files.some((file) => /^model(-\d+-of-\d+)?\.safetensors$/.test(file));
  if (files.includes('config.json') && hasWeights) return { path: await fetchFolder(snapshot), ...origin };
  const ggufs = files.filter((file) => file.toLowerCase().endsWith('.gguf'));
  if (ggufs.length === 1) return { path: await snapshot.fetchFile(ggufs[0]!), ...origin };
  if (ggufs.length === 0) {
    throw new ModelError('NOT_FOUND', `${spec} has neither config.json with safetensors nor a .gguf file.`);
  }
  const choices = ggufs.map((file) => `hf:${hubId}/${file}`).join('\n  ');
  throw new ModelError('AMBIGUOUS_FILE', `${spec} has ${ggufs.length} .gguf files. Name one of them:\n  ${choices}`);
}
