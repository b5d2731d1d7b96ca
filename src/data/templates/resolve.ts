import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DataError } from '../../errors.js';
import type { BaseModel } from '../../model/index.js';
import { hashFile } from '../../sha256.js';
import { alpaca, chatml, fillTemplate, llama3, plain, promptTemplate } from './builtin.js';
import { jinjaChatTemplate, jinjaPrompt } from './jinja.js';
import type { PromptTemplate } from './types.js';

const BUILTIN: Readonly<Record<string, PromptTemplate>> = { alpaca, chatml, llama3, plain };

/** What `template` may be, besides the path of a file. */
export const TEMPLATE_IDS = ['auto', 'model', ...Object.keys(BUILTIN)] as const;

type TemplateModel = Pick<BaseModel, 'tokenizer' | 'chatTemplate' | 'embedded' | 'name'>;

const unknownTemplate = (name: string, cause: unknown): DataError =>
  new DataError(
    'UNKNOWN_TEMPLATE',
    `Expected template to be ${TEMPLATE_IDS.join(', ')} or a file but received "${name}".`,
    { cause },
  );

function auto(model: TemplateModel): PromptTemplate {
  if (model.embedded) return plain;
  return model.chatTemplate === undefined ? alpaca : modelTemplate(model);
}

function modelTemplate(model: TemplateModel): PromptTemplate {
  if (model.chatTemplate === undefined) {
    throw new DataError(
      'NO_CHAT_TEMPLATE',
      `Template "model" needs a chat template but ${model.name} has none. Set template to alpaca, chatml or a file.`,
    );
  }
  return jinjaChatTemplate('model', model.chatTemplate, model.tokenizer);
}

/**
 * The prompt template of that name: `auto` (the embedded base: `plain`; else the model's chat template, or `alpaca`
 * where it has none), `model`, `alpaca`, `chatml`, `llama3`, `plain`, or a file: `.json` with `prompt_input` and
 * `prompt_no_input` (`{instruction}`, `{input}`), anything else a Jinja template over `messages` or over `instruction`
 * and `input`.
 *
 * Throws DataError NO_CHAT_TEMPLATE, UNKNOWN_TEMPLATE, BAD_TEMPLATE.
 */
export async function resolveTemplate(name: string, model: TemplateModel): Promise<PromptTemplate> {
  if (name === 'auto') return auto(model);
  if (name === 'model') return modelTemplate(model);
  if (Object.hasOwn(BUILTIN, name)) return BUILTIN[name]!;
  const source = await readFile(name, 'utf8').catch((cause: unknown) => {
    throw unknownTemplate(name, cause);
  });
  if (extname(name) === '.json') return jsonTemplate(name, source);
  if (/\bmessages\b/.test(source)) return jinjaChatTemplate(basename(name), source, model.tokenizer);
  return promptTemplate(basename(name), jinjaPrompt(basename(name), source, model.tokenizer));
}

/** sha256 of the file that a template is; null for one of fedtune or of the base. Throws DataError UNKNOWN_TEMPLATE. */
export async function templateSha256(name: string): Promise<string | null> {
  if ((TEMPLATE_IDS as readonly string[]).includes(name)) return null;
  return hashFile(name).catch((cause: unknown) => {
    throw unknownTemplate(name, cause);
  });
}

/** The form that Alpaca-LoRA and FedIT-style repositories keep their templates in. */
function jsonTemplate(path: string, source: string): PromptTemplate {
  const bad = (cause?: unknown) =>
    new DataError('BAD_TEMPLATE', `Expected ${path} to hold the texts "prompt_input" and "prompt_no_input".`, {
      cause,
    });
  let json: { prompt_input?: unknown; prompt_no_input?: unknown } | null;
  try {
    json = JSON.parse(source);
  } catch (cause) {
    throw bad(cause);
  }
  const { prompt_input: withInput, prompt_no_input: without } = json ?? {};
  if (typeof withInput !== 'string' || typeof without !== 'string') throw bad();
  return fillTemplate(basename(path), { withInput, without });
}
