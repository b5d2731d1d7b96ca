import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { ConfigError } from '../errors.js';
import { pushFolder } from '../model/hub/index.js';
import { formatBytes, plural } from '../report/format.js';
import { shown } from '../text.js';
import { version } from '../version.js';
import type { CliContext } from './context.js';

/** What `fedtune export` writes. Anything else in a folder may be data, and is nothing for a hub. */
const EXPORTED =
  /^(README\.md|Modelfile|adapter_config\.json|adapter_(model|mask)\.safetensors|(adapter|model)\.gguf|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|merges\.txt|tokenizer\.model|chat_template\.jinja)$|^(licen[cs]e|notice)[\w.-]*$/i;
/** The base of an Ollama folder: a link, and somebody else's. */
const BASE = /^base(\.gguf)?$/;
const REPO = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

interface PushFlags {
  readonly repo: string;
  readonly public?: boolean;
  readonly yes?: boolean;
}

interface Upload {
  readonly files: readonly string[];
  readonly bytes: number;
}

/** The files of an exported folder. Throws ConfigError where anything else is in it. */
async function uploadOf(folder: string): Promise<Upload> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new ConfigError(`Expected a folder that "fedtune export" wrote but ${folder} cannot be read.`, { cause });
  });
  const own = entries.filter(({ name }) => !BASE.test(name));
  const others = own.filter((entry) => !entry.isFile() || !EXPORTED.test(entry.name)).map(({ name }) => shown(name));
  if (others.length > 0)
    throw new ConfigError(
      `Expected nothing in ${folder} but what "fedtune export" writes; found ${others.slice(0, 5).join(', ')}` +
        `${others.length > 5 ? ` and ${others.length - 5} more` : ''}. Only exported files are pushed: move the rest away.`,
    );
  if (own.length === 0) throw new ConfigError(`Expected exported files in ${folder} but it is empty.`);
  const files = own.map(({ name }) => name).sort();
  let bytes = 0;
  for (const file of files) bytes += (await stat(join(folder, file))).size;
  return { files, bytes };
}

/** Throws ConfigError without --yes where nobody can be asked; false: the user said no. */
async function agrees({ files, bytes }: Upload, flags: PushFlags, { stdin, stderr }: CliContext): Promise<boolean> {
  const visibility = flags.public ? 'public' : 'private';
  const what = `${plural(files.length, 'file')} (${formatBytes(bytes)}) to ${flags.repo}, ${visibility} where it is new`;
  if (flags.yes) return true;
  if ((stdin as { isTTY?: boolean } | undefined)?.isTTY !== true)
    throw new ConfigError(`Expected --yes to upload ${what}, as there is no terminal to ask in.`);
  stderr.write(`${files.join('\n')}\nUpload ${what}? [y/N] `);
  const lines = createInterface({ input: stdin! });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}

async function runPush(folder: string, flags: PushFlags, context: CliContext): Promise<void> {
  if (!REPO.test(flags.repo)) throw new ConfigError(`Expected --repo owner/name but received "${shown(flags.repo)}".`);
  const upload = await uploadOf(folder);
  const token = process.env.HF_TOKEN;
  if (!token)
    throw new ConfigError('Expected HF_TOKEN in the environment: a token of the hub with the right to write.');
  if (!(await agrees(upload, flags, context))) {
    context.stderr.write('Nothing was uploaded.\n');
    return;
  }
  const url = await pushFolder(folder, upload.files, {
    ...{ repo: flags.repo, token, signal: context.signal, title: `Upload with fedtune ${version}` },
    visibility: flags.public ? 'public' : 'private',
  });
  context.stdout.write(`${url}\n`);
}

/** `fedtune push FOLDER`. */
export function addPushCommand(program: Command, context: CliContext): void {
  program
    .command('push')
    .description('upload an exported folder to the Hugging Face hub; asks before it does')
    .argument('<folder>', 'what "fedtune export" wrote; anything else in it is refused')
    .requiredOption('--repo <owner/name>', 'repository of models; made where there is none')
    .option('--public', 'make a new repository public (default: private)')
    .option('--yes', 'upload without asking')
    .addHelpText(
      'after',
      '\nThe token comes from HF_TOKEN.\n\nExample:\n  fedtune export runs/mine --client global --format peft --out adapters/shared\n  fedtune push adapters/shared --repo me/shared-adapter',
    )
    .action((folder: string, flags: PushFlags) => runPush(folder, flags, context));
}
