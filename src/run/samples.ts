import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import type { Which } from '../contracts/evaluation.js';
import { isSampled, SAMPLE_TOKENS, SAMPLED_FOLDER, type SampleAnswer } from '../contracts/samples.js';
import { questionTokens, resolveTemplate } from '../data/index.js';
import { ConfigError } from '../errors.js';
import { answerAll, readPeftAdapter, tryLlamaCpp } from '../export/index.js';
import { isDue } from '../server/evaluate.js';
import type { FinishedRun } from '../server/finish.js';
import { adapterFolder } from './adapters.js';
import { runFile } from './content.js';
import type { OpenedFederation } from './open.js';
import { homesOf, type OwnerFolder } from './owners.js';
import type { Prepared } from './prepare.js';
import { dealQuestions, type Question, questionsOf } from './questions.js';

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
  readonly questions: readonly Question[];
}

const idsOf = (owners: readonly OwnerFolder[]): string[] => owners.map(({ id }) => id);

/** Lets them answer, and appends what they say to samples.jsonl: to an owner's own question in that of its folder. */
async function ask(
  { config, model }: Prepared,
  dir: string,
  round: number,
  all: readonly Speaker[],
  owners: readonly OwnerFolder[],
): Promise<void> {
  const speakers = all.filter(({ questions }) => questions.length > 0);
  const template = await resolveTemplate(config.template, model);
  const { tokenizer } = model;
  const subjects = speakers.map(({ which, owner, adapter, questions }) => ({
    ...{ name: owner ?? which, adapter },
    prompts: questions.map(({ text }) => questionTokens(text, { tokenizer, template })),
  }));
  const how = { maxTokens: SAMPLE_TOKENS, ...(config.threads === null ? {} : { threads: config.threads }) };
  const answers = await answerAll({ model, file: model.path, subjects, ...how });
  const lines = new Map<string, string>();
  for (const [s, { which, questions, owner: speaker }] of speakers.entries()) {
    for (const [i, { text, owner }] of questions.entries()) {
      const who = speaker ?? owner;
      const line: SampleAnswer = {
        ...{ round, ...(who === undefined ? {} : { owner: who }), which },
        ...{ prompt: text, answer: answers[s]![i]! },
      };
      const folder = owners.find(({ id }) => id === owner)?.folder;
      const path = folder === undefined ? runFile(dir, 'samples.jsonl') : join(homesOf(dir), folder, 'samples.jsonl');
      lines.set(path, `${lines.get(path) ?? ''}${JSON.stringify(line)}\n`);
    }
  }
  for (const [path, text] of lines) await appendFile(path, text);
}

/** The own adapters that owners left after a round that was scored, which are gone from there then. */
async function takeSampled(
  { model }: Prepared,
  dir: string,
  owners: readonly OwnerFolder[],
  questions: (owner: string) => Question[],
): Promise<Speaker[]> {
  const speakers: Speaker[] = [];
  for (const { id, folder } of owners) {
    const path = join(homesOf(dir), folder, SAMPLED_FOLDER);
    const asked = questions(id);
    if (asked.length > 0) {
      speakers.push({
        which: 'personalized',
        owner: id,
        adapter: await readPeftAdapter(path, model),
        questions: asked,
      });
    }
    await rm(path, { recursive: true, force: true });
  }
  return speakers;
}

/**
 * After a round: the bare base before the first; where it is due the shared adapter, and where the round was scored those of owners, as far
 * as the method has them.
 */
export async function sampleRound(
  prepared: Prepared,
  dir: string,
  round: number,
  { federation, partition: { clients } }: Pick<OpenedFederation, 'federation' | 'partition'>,
): Promise<void> {
  const { config, method } = prepared;
  if (config.samples.length === 0 || (round > 0 && !isSampled(config, round))) return;
  const questions = dealQuestions(config, idsOf(clients));
  const everyones = questions();
  if (round === 0) {
    return ask(prepared, dir, 0, [{ which: 'base', adapter: null, questions: questionsOf(config) }], clients);
  }
  const { gives } = method.capabilities;
  const isPersonal = gives.includes('personalized');
  const adapter = gives.includes('global') ? federation.arms.main.global() : undefined;
  const speakers: Speaker[] = [];
  if (adapter) {
    speakers.push({ which: 'global', adapter, questions: isPersonal ? everyones : questionsOf(config) });
  }
  if (isPersonal && config.runtime !== 'nats' && isDue(round, federation)) {
    for (const speaker of await takeSampled(prepared, dir, clients, questions)) speakers.push(speaker);
  }
  await ask(prepared, dir, round, speakers, clients);
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
  const questions = dealQuestions(config, idsOf(owners));
  const speakers: Speaker[] = [];
  if (global && method.capabilities.gives.includes('global')) {
    speakers.push({ which: 'global', adapter: global, questions: questions() });
  }
  for (const { client, takeHome } of config.runtime === 'nats' ? [] : clients) {
    const asked = questions(client.id);
    if (asked.length === 0) continue;
    const { folder } = owners.find(({ id }) => id === client.id)!;
    const adapter = await readPeftAdapter(adapterFolder(dir, folder), model);
    speakers.push({ which: takeHome, owner: client.id, adapter, questions: asked });
  }
  await ask(prepared, dir, state.round, speakers, owners);
}
