import { appendFile } from 'node:fs/promises';
import type { Adapter } from '../adapter/layout.js';
import type { Which } from '../contracts/evaluation.js';
import type { SampleAnswer } from '../contracts/samples.js';
import { promptTokens, resolveTemplate } from '../data/index.js';
import { ConfigError } from '../errors.js';
import { answerAll, readPeftAdapter, tryLlamaCpp } from '../export/index.js';
import type { FinishedRun } from '../server/finish.js';
import type { Federation } from '../server/types.js';
import { adapterFolder } from './adapters.js';
import { runFile } from './content.js';
import type { OwnerFolder } from './owners.js';
import type { Prepared } from './prepare.js';

/** Longest answer in tokens. */
const MAX_TOKENS = 96;
/** Owners whose adapter answers at the end: the first ones, as many as the report draws. */
const MAX_OWNERS = 24;

/** Throws ConfigError where llama.cpp cannot answer with this base, FedtuneError LLAMA_CPP_MISSING where it is not installed. */
export async function checkSamples({ config, model }: Prepared): Promise<void> {
  if (config.samples.length === 0) return;
  if (model.format === 'gguf') return tryLlamaCpp();
  throw new ConfigError(
    `samples are answered by llama.cpp, which reads GGUF files, but this base is the folder ${model.path}. Take a GGUF file of it, or leave samples out.`,
  );
}

interface Speaker {
  readonly which: Which;
  readonly owner?: string;
  readonly adapter: Adapter | null;
}

/** Lets them answer the questions of the run file, and appends what they say to samples.jsonl. */
async function ask(
  { config, model }: Prepared,
  dir: string,
  round: number,
  speakers: readonly Speaker[],
): Promise<void> {
  const template = await resolveTemplate(config.template, model);
  const { tokenizer } = model;
  const prompts = config.samples.map((instruction) => [
    ...promptTokens({ id: 'sample', instruction, input: '', output: '' }, { tokenizer, template }),
  ]);
  const subjects = speakers.map(({ which, owner, adapter }) => ({ name: owner ?? which, adapter }));
  const how = { prompts, maxTokens: MAX_TOKENS, ...(config.threads === null ? {} : { threads: config.threads }) };
  const answers = await answerAll({ model, file: model.path, subjects, ...how });
  const lines = speakers.flatMap(({ which, owner }, s) =>
    config.samples.map((prompt, i): SampleAnswer => {
      const answer = answers[s]![i]!;
      return { round, ...(owner === undefined ? {} : { owner }), which, prompt, answer };
    }),
  );
  await appendFile(runFile(dir, 'samples.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** After a round: the bare base before the first, the shared adapter where it is due. Where a method shares none there is nothing to ask. */
export async function sampleRound(prepared: Prepared, dir: string, round: number, { arms }: Federation): Promise<void> {
  const { config, method } = prepared;
  if (config.samples.length === 0) return;
  if (round === 0) return ask(prepared, dir, 0, [{ which: 'base', adapter: null }]);
  const adapter = method.capabilities.gives.includes('global') ? arms.main.global() : undefined;
  // The last round is asked at the end.
  const isDue = config.samples_every > 0 && round % config.samples_every === 0 && round < config.num_rounds;
  if (isDue && adapter) await ask(prepared, dir, round, [{ which: 'global', adapter }]);
}

/** At the end: the shared adapter, and what owners took home, where that is on this machine. */
export async function sampleEnd(
  prepared: Prepared,
  dir: string,
  { state, global, clients }: FinishedRun,
  owners: readonly OwnerFolder[],
): Promise<void> {
  const { config, model, method } = prepared;
  if (config.samples.length === 0) return;
  const speakers: Speaker[] = [];
  if (global && method.capabilities.gives.includes('global')) speakers.push({ which: 'global', adapter: global });
  const here = config.runtime === 'nats' ? [] : clients.slice(0, MAX_OWNERS);
  for (const { client, takeHome } of here) {
    const { folder } = owners.find(({ id }) => id === client.id)!;
    const adapter = await readPeftAdapter(adapterFolder(dir, folder), model);
    speakers.push({ which: takeHome, owner: client.id, adapter });
  }
  await ask(prepared, dir, state.round, speakers);
}
