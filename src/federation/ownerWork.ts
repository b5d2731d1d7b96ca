import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import { EVAL_SPLITS } from '../contracts/evaluation.js';
import type { DescribeRequest, Description, Reply, Request, TrainRequest } from '../contracts/messages.js';
import { exampleLines, loadExamples, readOptionsOf, TEMPLATE_IDS } from '../data/index.js';
import { FedtuneError, InterruptedError, ModelError } from '../errors.js';
import { inPieces, writeAtomic } from '../files.js';
import { decodeRequest, encodeMessage, joinMessage, type Link, type OwnerHome } from '../links/index.js';
import { sha256 } from '../sha256.js';
import { errorReply } from './errorReply.js';
import { checkHours } from './hours.js';
import { checkRun, checkWork, type Limits } from './limits.js';
import type { Task } from './tasks.js';

/** A run that an owner is asked to take part in. */
export interface Proposal {
  readonly run: string;
  readonly config: RunConfig;
  readonly baseSha256: string;
}

export interface OwnerWorkOptions {
  readonly id: string;
  /** The owner's folder. */
  readonly home: string;
  /** Files of its examples, as `data` of a run file names them. */
  readonly data: readonly string[];
  /** Its copy of the base, where that is a file. */
  readonly model?: string | undefined;
  /** Its copy of the prompt template, where that is a file. */
  readonly template?: string | undefined;
  readonly limits: Limits;
  /** Whether to take part. */
  readonly accept: (proposal: Proposal) => Promise<boolean>;
  /** Opens a link to the one that works here. */
  readonly open: (home: OwnerHome) => Link;
  /** Hears of an adapter that stays here. */
  readonly onFinished?: (home: OwnerHome, config: RunConfig) => Promise<void>;
  readonly onStatus: (text: string) => void;
  /** @default the clock */
  readonly now?: () => Date;
}

/** What the owner agreed to, in `accepted.json` of the run's folder. */
interface Accepted {
  /** sha256 of the configuration. */
  readonly config: string;
  readonly numTrain: number;
}

const configDigest = (config: RunConfig): string => sha256(JSON.stringify(config));

/**
 * What an owner's machine does with requests that come from far: it holds them against the owner's limits, puts its own data, base and
 * template in the place of what they name, and has a process of its own do the work.
 */
export class OwnerWork {
  readonly #options: OwnerWorkOptions;
  #open: { readonly run: string; readonly home: OwnerHome; readonly link: Link } | undefined;

  constructor(options: OwnerWorkOptions) {
    this.#options = options;
  }

  /** The encoded reply, an error's too. Throws InterruptedError once it is closed. */
  async answer({ run, digest, bytes }: Task): Promise<Uint8Array> {
    try {
      const request = decodeRequest(bytes);
      if (request.kind === 'train') return await this.#train(run, digest, request);
      return joinMessage(encodeMessage(await this.#reply(run, request)));
    } catch (error) {
      if (error instanceof InterruptedError) throw error;
      this.#options.onStatus(`could not do it: ${(error as Error).message}`);
      return errorReply(error);
    }
  }

  /** The optimizer steps that are done, while it trains. */
  get steps(): number | undefined {
    return this.#open?.link.atWork?.()[0]?.steps;
  }

  async close(): Promise<void> {
    await this.#open?.link.close();
  }

  async #linkOf(run: string): Promise<{ readonly home: OwnerHome; readonly link: Link }> {
    if (this.#open?.run === run) return this.#open;
    await this.#open?.link.close();
    const { id, home: folder, open } = this.#options;
    const dir = resolve(folder, 'runs', run);
    const home: OwnerHome = { id, home: dir, takeHome: join(dir, 'adapter') };
    this.#open = { run, home, link: open(home) };
    return this.#open;
  }

  async #ask<R extends Request>(run: string, request: R) {
    const { link, home } = await this.#linkOf(run);
    return { home, reply: (await link.ask(this.#options.id, request)).reply };
  }

  async #reply(run: string, request: Exclude<Request, TrainRequest>): Promise<Reply> {
    const { onStatus, onFinished } = this.#options;
    if (request.kind === 'describe') return this.#describe(run, request);
    await this.#accepted(run);
    if (request.kind === 'finish') await this.#requireHours(run);
    onStatus(request.kind === 'score' ? `scoring after round ${request.round}` : 'finishing');
    const { reply, home } = await this.#ask(run, request);
    if (request.kind === 'finish') {
      await onFinished?.(home, await this.#configOf(run));
      onStatus(`finished; the adapter is in ${home.takeHome}`);
    }
    return reply;
  }

  /** The configuration with what is the owner's own. Throws FedtuneError STRATEGY_REFUSED, ModelError NO_MODEL. */
  #ownConfig(config: RunConfig): RunConfig {
    const { model, template } = this.#options;
    if (config.strategy !== null) {
      throw new FedtuneError('STRATEGY_REFUSED', 'The owner runs no program of others: use a method that fedtune has.');
    }
    const isElsewhere = config.model === 'embedded' || config.model.startsWith('hf:');
    if (model === undefined && !isElsewhere) {
      throw new ModelError(
        'NO_MODEL',
        'The base of this run is a file of the coordinator. The owner needs the same one: fedtune join ... --model FILE',
      );
    }
    if (template === undefined && !(TEMPLATE_IDS as readonly string[]).includes(config.template)) {
      throw new FedtuneError(
        'NO_TEMPLATE',
        'The prompt template of this run is a file of the coordinator. The owner needs the same one: fedtune join ... --template FILE',
      );
    }
    return {
      ...config,
      ...(model === undefined
        ? {}
        : { model: model === 'embedded' || model.startsWith('hf:') ? model : resolve(model) }),
      ...(template === undefined ? {} : { template: resolve(template) }),
    };
  }

  async #describe(run: string, request: DescribeRequest): Promise<Description> {
    const { limits, accept, onStatus, data } = this.#options;
    checkRun(request, limits);
    const config = this.#ownConfig(request.config);
    const { home } = await this.#linkOf(run);
    const digest = configDigest(request.config);
    if ((await this.#findAccepted(run))?.config !== digest) {
      const proposal = { run, config, baseSha256: request.baseSha256 };
      if (!(await accept(proposal))) throw new FedtuneError('DECLINED', 'The owner takes no part in this run.');
    }
    await mkdir(home.home, { recursive: true, mode: 0o700 });
    const { examples, numBadRows } = await loadExamples([...data], readOptionsOf({ ...config, partition: 'natural' }));
    await writeAtomic(join(home.home, 'rows.jsonl'), inPieces(exampleLines(examples)));
    const given = EVAL_SPLITS.filter(
      (split) => request.givenSplits.includes(split) || examples.some((one) => one.split === split),
    );
    const { reply } = await this.#ask(run, { ...request, config, givenSplits: given });
    const numTrain = reply.train.examples;
    await writeAtomic(
      join(home.home, 'accepted.json'),
      JSON.stringify({ config: digest, numTrain } satisfies Accepted),
    );
    onStatus(
      `takes part in ${config.method}, ${config.num_rounds} rounds, with ${numTrain} examples` +
        (numBadRows > 0 ? ` (${numBadRows} rows could not be used)` : ''),
    );
    return limits.categories ? reply : { ...reply, categories: {} };
  }

  /** The configuration that the owner works with. */
  async #configOf(run: string): Promise<RunConfig> {
    const { home } = await this.#linkOf(run);
    return (JSON.parse(await readFile(join(home.home, 'run.json'), 'utf8')) as { config: RunConfig }).config;
  }

  /** The end of a run is scores, and training where it fine-tunes. Throws FedtuneError OUT_OF_HOURS. */
  async #requireHours(run: string): Promise<void> {
    const { limits, now } = this.#options;
    const { finetune_epochs: epochs, finetune_steps: steps } = await this.#configOf(run);
    if (epochs > 0 || steps > 0) checkHours(limits, now?.() ?? new Date());
  }

  async #findAccepted(run: string): Promise<Accepted | undefined> {
    const path = resolve(this.#options.home, 'runs', run, 'accepted.json');
    if (!existsSync(path)) return undefined;
    return JSON.parse(await readFile(path, 'utf8')) as Accepted;
  }

  async #accepted(run: string): Promise<Accepted> {
    const accepted = await this.#findAccepted(run);
    if (accepted) return accepted;
    throw new FedtuneError('NOT_DESCRIBED', 'Expected to be told of the run before it is worked for.');
  }

  /**
   * Trains, or gives the reply that it gave when it was asked the same before: what was done while the coordinator was away is not done
   * again. The last reply of each arm is kept, as the state beside it is the newest then.
   */
  async #train(run: string, digest: string, request: TrainRequest): Promise<Uint8Array> {
    const { limits, now } = this.#options;
    const { numTrain } = await this.#accepted(run);
    const { home } = await this.#linkOf(run);
    checkWork(request, await this.#configOf(run), numTrain, limits);
    const dir = join(home.home, 'replies');
    const path = join(dir, `${request.arm}-${digest}`);
    if (existsSync(path)) return readFile(path);
    checkHours(limits, now?.() ?? new Date());
    const alone = request.arm === 'local' ? ', alone for comparison' : '';
    this.#options.onStatus(`training, round ${request.round}${alone}`);
    const { reply } = await this.#ask(run, request);
    const bytes = joinMessage(encodeMessage(reply));
    await mkdir(dir, { recursive: true });
    for (const name of await readdir(dir)) if (name.startsWith(`${request.arm}-`)) await rm(join(dir, name));
    await writeAtomic(path, bytes);
    return bytes;
  }
}
