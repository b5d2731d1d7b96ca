import { existsSync } from 'node:fs';
import { copyFile, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import { ollamaTemplate, resolveTemplate } from '../data/index.js';
import { ConfigError } from '../errors.js';
import {
  checkMerged,
  checkReadBack,
  modelfile,
  readGgufAdapter,
  readPeftAdapter,
  writeGgufAdapter,
  writeMergedGguf,
  writeMergedHf,
  writePeftAdapter,
} from '../export/index.js';
import { writeAtomic } from '../files.js';
import { loadModel } from '../model/index.js';
import { dequantize, quantize } from '../native/engine.js';
import { readRecord } from '../report/record.js';
import type { OpenedRun } from '../run/openRun.js';
import { adapterCard, type CardKind } from './adapterCard.js';

export interface FormatFlags {
  readonly out: string;
  readonly base?: string;
  readonly baseModel?: string;
  readonly card?: boolean;
}

/** One adapter of a run on its way out. */
interface Job extends FormatFlags {
  readonly run: OpenedRun;
  readonly client: string;
}

async function writeCard({ run, client, out, card }: Job, kind: CardKind): Promise<void> {
  // A README that is there may be anybody's.
  if (!card || existsSync(join(out, 'README.md'))) return;
  const { metrics } = await readRecord(run.dir);
  if (metrics) await writeAtomic(join(out, 'README.md'), adapterCard(run, client, metrics, kind));
}

async function peft(job: Job): Promise<string> {
  const { run, client, out, baseModel } = job;
  const adapter = await run.readAdapter(client);
  const named = baseModel === undefined ? {} : { baseModelName: baseModel };
  await writePeftAdapter(out, adapter, run.model, { loraDropout: run.config.lora_dropout, ...named });
  checkReadBack(adapter, await readPeftAdapter(out, run.model), out);
  await writeCard(job, 'adapter');
  return out;
}

async function gguf({ run, client, out }: Job): Promise<string> {
  const adapter = await run.readAdapter(client);
  const file = join(out, 'adapter.gguf');
  await writeGgufAdapter(file, adapter, run.model);
  checkReadBack(adapter, await readGgufAdapter(file, run.model), file);
  return file;
}

async function merged({ run, client, out }: Job): Promise<string> {
  const adapter: Adapter = await run.readAdapter(client);
  const file = join(out, 'model.gguf');
  await writeMergedGguf(file, adapter, run.model, { dequantize, quantize });
  await checkMerged(adapter, run.model.description, (await loadModel(file)).description, dequantize);
  return file;
}

/** Onto the folder that the run trained on, or onto the one that the user names, in whose row order the adapter is read then. */
async function mergedHf(job: Job): Promise<string> {
  const { run, client, out, base } = job;
  const model = base === undefined ? run.model : await loadModel(base);
  const adapter = await readPeftAdapter(run.folderOf(client), model);
  await writeMergedHf(out, adapter, model, { dequantize, quantize });
  await checkMerged(adapter, model.description, (await loadModel(out)).description, dequantize);
  await writeCard({ ...job, run: { ...run, model } }, 'merged');
  return out;
}

/** Puts the base beside the Modelfile, by a link where the system has one. */
async function placeBase({ path, description: { files } }: OpenedRun['model'], out: string): Promise<string> {
  if (files.length > 1 && path.endsWith('.gguf'))
    throw new ConfigError(
      `Ollama takes a GGUF base of one file but ${path} has ${files.length}. Export with --format merged instead, or name ` +
        'a model of its library: --base-model NAME.',
    );
  const name = path.endsWith('.gguf') ? 'base.gguf' : 'base';
  const at = join(out, name);
  await rm(at, { force: true });
  await symlink(path, at).catch(async (error: unknown) => {
    if (name === 'base') throw error;
    await copyFile(path, at);
  });
  return `./${name}`;
}

async function ollama(job: Job): Promise<string> {
  const { run, out, baseModel } = job;
  const { template, stop } = ollamaTemplate(await resolveTemplate(run.config.template, run.model), run.model.tokenizer);
  const adapter = `./${basename(await gguf(job))}`;
  const from = baseModel ?? (await placeBase(run.model, out));
  await writeAtomic(join(out, 'Modelfile'), modelfile({ from, adapter, template, stop }));
  return join(out, 'Modelfile');
}

/** Each writes one adapter, reads it back and compares, and returns what it wrote. */
export const FORMATS = { peft, gguf, merged, 'merged-hf': mergedHf, ollama } as const satisfies Record<
  string,
  (job: Job) => Promise<string>
>;
