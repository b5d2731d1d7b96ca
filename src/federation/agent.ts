import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import { SAMPLE_TOKENS } from '../contracts/samples.js';
import { questionTokens, resolveDataFiles, resolveTemplate } from '../data/index.js';
import { answerAll, readPeftAdapter, writeGgufAdapter } from '../export/index.js';
import { writeAtomic } from '../files.js';
import { createProcessesLink, type OwnerHome } from '../links/index.js';
import { loadModel } from '../model/index.js';
import { openConnection } from './connection.js';
import { readLimits } from './limits.js';
import type { OwnerKeys } from './ownerHome.js';
import { OwnerWork, type Proposal } from './ownerWork.js';
import { serveTasks } from './tasks.js';

const MEGABYTE = 1024 * 1024;

export interface AgentOptions {
  /** The owner's folder, which this process has for itself. */
  readonly home: string;
  readonly keys: OwnerKeys;
  readonly data: readonly string[];
  readonly model?: string | undefined;
  readonly template?: string | undefined;
  readonly accept: (proposal: Proposal) => Promise<boolean>;
  readonly signal: AbortSignal;
  readonly onStatus: (text: string) => void;
}

/** The adapter that an owner took home, for llama.cpp, beside PEFT's form of it. */
async function writeGguf({ takeHome }: OwnerHome, { model: spec, model_revision: revision }: RunConfig): Promise<void> {
  const model = await loadModel(spec, { revision });
  await writeGgufAdapter(join(takeHome, 'adapter.gguf'), await readPeftAdapter(takeHome, model), model);
}

/** Answers to the owner's own questions, in `samples.jsonl` beside its adapter; whatever is wrong with that, the run has ended well. */
async function answerOwn(
  { home, takeHome }: OwnerHome,
  { model: spec, model_revision: revision, template: name }: RunConfig,
  questions: readonly string[],
  threads: number,
  onStatus: (text: string) => void,
): Promise<void> {
  if (questions.length === 0) return;
  try {
    const model = await loadModel(spec, { revision });
    const template = await resolveTemplate(name, model);
    const [base, own] = await answerAll({
      ...{ model, file: model.path, maxTokens: SAMPLE_TOKENS, threads },
      prompts: questions.map((question) => questionTokens(question, { tokenizer: model.tokenizer, template })),
      subjects: [
        { name: 'base', adapter: null },
        { name: 'own', adapter: await readPeftAdapter(takeHome, model) },
      ],
    });
    const lines = questions.map((prompt, i) => `${JSON.stringify({ prompt, base: base![i], own: own![i] })}\n`);
    const path = join(home, 'samples.jsonl');
    await writeAtomic(path, lines);
    onStatus(`answered ${questions.length} of its own questions, in ${path}`);
  } catch (error) {
    onStatus(`could not answer its own questions: ${(error as Error).message}`);
  }
}

/**
 * An owner's machine: waits for what the coordinator asks, for as long as it takes, does it in a process of its own, and goes on waiting.
 *
 * Throws InterruptedError when `signal` fires; FedtuneError REFUSED where the owner was removed or its keys were rotated; ConfigError for
 * a wrong owner.yaml; DataError where there is no data.
 */
export async function runAgent(options: AgentOptions): Promise<never> {
  const { keys, data, model, template, accept, signal, onStatus } = options;
  const home = resolve(options.home);
  // Said now, and not when a run comes.
  await resolveDataFiles([...data]);
  const limits = await readLimits(join(home, 'owner.yaml'));
  const threads = limits.threads ?? availableParallelism();
  const work = new OwnerWork({
    ...{ id: keys.owner, home, data, model, template, limits, accept, onStatus },
    open: (owner) => createProcessesLink({ homes: [owner], workers: 1, threads, keep: 1 }),
    onFinished: async (finished, config) => {
      await writeGguf(finished, config);
      await answerOwn(finished, config, limits.samples, threads, onStatus);
    },
  });
  const stop = () => void work.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const access = { url: keys.url, ca: keys.ca, jwt: keys.jwt!, seed: keys.user, name: keys.owner };
    const connection = await openConnection(access, { wait: true, signal, onStatus });
    try {
      onStatus(`connected to ${keys.federation} as ${keys.owner}, waiting for a run`);
      return await serveTasks({
        ...{ connection, signal, onStatus },
        identity: { name: keys.owner, account: keys.account, signing: keys.signing, coordinator: keys.coordinator },
        maxBytes: limits.max_message_mb * MEGABYTE,
        answer: (task) => work.answer(task),
        steps: () => work.steps,
      });
    } finally {
      await connection.close();
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await work.close();
  }
}
