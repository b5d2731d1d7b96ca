import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelError } from '../../errors.js';
import { sha256Files } from '../../sha256.js';
import { originOf } from '../origin.js';
import { tokenizerFromJson } from '../tokenizer/fromJson.js';
import type { BaseModel } from '../types.js';
import { describeHf } from './describe.js';
import { type Json, readJson } from './json.js';

/** `chat_template.jinja`, or `chat_template` of tokenizer_config.json: a text, or a list with one named "default". */
async function chatTemplateOf(folder: string, settings: Json): Promise<string | undefined> {
  const file = await readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined);
  const template = file ?? settings.chat_template;
  if (!Array.isArray(template)) return typeof template === 'string' ? template : undefined;
  const named = template as { name?: unknown; template?: unknown }[];
  const chosen = named.find((entry) => entry?.name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : undefined;
}

/** Reads and checks a Hugging Face folder. `folder` is absolute; `sha256` is taken where it is known. Throws ModelError. */
export async function loadHf(folder: string, sha256?: string): Promise<BaseModel> {
  const config = await readJson(join(folder, 'config.json'), 'BAD_METADATA');
  if (config === undefined) {
    throw new ModelError('NOT_FOUND', `Expected a Hugging Face model in ${folder} but it has no config.json.`);
  }
  const description = await describeHf(folder, config);
  const tokenizer = await readJson(join(folder, 'tokenizer.json'), 'BAD_TOKENIZER');
  if (tokenizer === undefined) {
    throw new ModelError(
      'BAD_TOKENIZER',
      `${folder} has no tokenizer.json. Save one with transformers, or take a GGUF file.`,
    );
  }
  const settings = (await readJson(join(folder, 'tokenizer_config.json'), 'BAD_TOKENIZER')) ?? {};
  const chatTemplate = await chatTemplateOf(folder, settings);
  return {
    name:
      typeof config._name_or_path === 'string' && config._name_or_path !== '' ? config._name_or_path : basename(folder),
    sha256: sha256 ?? (await sha256Files(description.files)),
    format: 'hf',
    path: folder,
    description,
    tokenizer: tokenizerFromJson({ tokenizer, settings, config, where: folder }, description.vocabSize),
    ...originOf(folder, [config._name_or_path]),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    permutedQk: false,
    warnings: [],
    embedded: false,
  };
}
