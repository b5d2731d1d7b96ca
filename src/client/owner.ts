import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import type { DescribeRequest, Description, Reply, Request, SplitCounts } from '../contracts/messages.js';
import { POOLED } from '../contracts/pooled.js';
import { SAMPLED_FOLDER } from '../contracts/samples.js';
import { toWireError } from '../contracts/wireError.js';
import { templateSha256 } from '../data/templates/resolve.js';
import { DataError, FedtuneError, ModelError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { tokenizerSha256 } from '../model/index.js';
import { byCode } from '../order.js';
import { sha256 } from '../sha256.js';
import { StateStore } from '../store/index.js';
import { scoreOwner } from './candidates.js';
import { loadData, type OwnerData, prepareData } from './data.js';
import { concatLists, examplesOf, packExamples } from './examples.js';
import { finishOwner } from './finishing.js';
import type { OwnerHost, OwnerModel } from './host.js';
import type { OpenOwner } from './openOwner.js';
import { leaveSampled } from './sampled.js';
import { scoreMemory } from './scoreMemory.js';
import { type OwnerSetup, openSetup } from './setup.js';
import { trainOwner } from './training.js';

/** Where an owner lives. */
export interface OwnerHome {
  readonly id: string;
  /** Absolute folder with `rows.jsonl` (one Example a line); tokens, states and scores go there too. */
  readonly home: string;
  /** Absolute folder in which the owner leaves the adapter that it takes home, in PEFT's form. */
  readonly takeHome: string;
  /** `centralized`: the homes whose training examples this owner trains on, in this order; they are described before it. */
  readonly pooledFrom?: readonly string[];
}

/** What an owner remembers of the run that it takes part in. */
interface Described extends Omit<DescribeRequest, 'kind'> {
  /** Digest of what its examples were made from. */
  readonly inputs: string;
}

const describedFile = (home: string): string => join(home, 'run.json');

const NOTHING: OwnerData = {
  ...packExamples({ train: [], valid: [], test: [] }),
  inputs: '',
  dropped: { long: 0, empty: 0, refused: 0, repeated: 0 },
  numCut: 0,
  numTargetsLost: 0,
  dataSha256: '',
};

function categoriesOf({ categories, counts }: OwnerData): Record<string, number> {
  const found = new Map<string, number>();
  for (const category of categories.slice(0, counts.train.examples)) {
    if (category !== null) found.set(category, (found.get(category) ?? 0) + 1);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => byCode(a, b)));
}

function sumCounts(counts: readonly SplitCounts[]): SplitCounts {
  return {
    examples: counts.reduce((sum, { examples }) => sum + examples, 0),
    tokens: counts.reduce((sum, { tokens }) => sum + tokens, 0),
    targets: counts.reduce((sum, { targets }) => sum + targets, 0),
  };
}

/** The setup of the run that a thread worked for last: all owners of a run share it. */
export class Setups {
  readonly #host: OwnerHost;
  #last: { readonly key: string; readonly setup: Promise<OwnerSetup> } | undefined;

  constructor(host: OwnerHost) {
    this.#host = host;
  }

  of(config: RunConfig): Promise<OwnerSetup> {
    const key = JSON.stringify(config);
    if (this.#last?.key === key) return this.#last.setup;
    const setup = openSetup(config, this.#host);
    this.#last = { key, setup };
    setup.catch(() => {
      if (this.#last?.setup === setup) this.#last = undefined;
    });
    return setup;
  }
}

/**
 * One owner's half of a federation, opened from its home. Nothing of its rows, texts, tokens, states and single scores is in any
 * reply. Everything that it keeps lies in its home, so that another thread, or the process after this one, goes on where it stood.
 */
export class Owner {
  readonly #where: OwnerHome;
  readonly #host: OwnerHost;
  readonly #setups: Setups;
  #opened: { readonly from: string; readonly owner: OpenOwner; readonly bytes: number } | undefined;

  constructor(where: OwnerHome, host: OwnerHost, setups = new Setups(host)) {
    this.#where = where;
    this.#host = host;
    this.#setups = setups;
  }

  /** Memory of the examples that it holds open. */
  get bytes(): number {
    return this.#opened?.bytes ?? 0;
  }

  /** Answers a request; what goes wrong is a reply too. */
  async handle(request: Request): Promise<Reply> {
    try {
      this.#host.throwIfStopped();
      if (request.kind === 'describe') return await this.#describe(request);
      const owner = await this.#open();
      if (request.kind === 'train') return trainOwner(owner, request);
      const { home, takeHome } = this.#where;
      if (request.kind === 'score') {
        const scored = scoreOwner(owner, request);
        await leaveSampled(owner, request, join(home, SAMPLED_FOLDER));
        return scored;
      }
      return await finishOwner(owner, request, { scores: join(home, 'scores.jsonl'), takeHome });
    } catch (error) {
      return { kind: 'error', error: toWireError(error) };
    }
  }

  async #describe({ kind: _, ...described }: DescribeRequest): Promise<Description> {
    const { id, home, pooledFrom } = this.#where;
    const { config } = described;
    const { model, engine } = await this.#setups.of(config);
    await checkSameInputs(id, described, model);
    const request: DescribeRequest = { kind: 'describe', ...described };
    const data = pooledFrom ? NOTHING : await prepareData(home, id, request, model, this.#host);
    this.#host.throwIfStopped();
    await writeAtomic(describedFile(home), JSON.stringify({ ...described, inputs: data.inputs } satisfies Described));
    const pooled = await Promise.all((pooledFrom ?? []).map(loadDescribed));
    const { counts } = data;
    return {
      kind: 'description',
      train: pooledFrom ? sumCounts(pooled.map(({ data: { counts } }) => counts.train)) : counts.train,
      valid: counts.valid,
      test: counts.test,
      categories: categoriesOf(data),
      dropped: data.dropped,
      numCut: data.numCut,
      numTargetsLost: data.numTargetsLost,
      dataSha256: pooledFrom
        ? sha256(pooled.map(({ data: { dataSha256 } }) => dataSha256).join('\n'))
        : data.dataSha256,
      baseSha256: model.sha256,
      kernels: engine.kernels,
    };
  }

  /** The owner as it was described last, whichever thread did it. */
  async #open(): Promise<OpenOwner> {
    const { id, home, pooledFrom } = this.#where;
    const homes = pooledFrom ?? [];
    const texts = await Promise.all([home, ...homes].map(readDescribed));
    const from = texts.join('\n');
    if (this.#opened?.from === from) return this.#opened.owner;
    const { config, rank } = JSON.parse(texts[0]!) as Described;
    const setup = await this.#setups.of(config);
    const data = pooledFrom ? NOTHING : loadData(home);
    const pooled = homes.map(loadData);
    const train = pooledFrom ? concatLists(pooled.map((one) => examplesOf(one, 'train'))) : examplesOf(data, 'train');
    const { examples, targets } = pooledFrom ? sumCounts(pooled.map(({ counts }) => counts.train)) : data.counts.train;
    const states = (arm: string): StateStore => StateStore.open(join(home, 'state', arm));
    const { model, engine } = setup;
    const scoredOf = sha256(
      JSON.stringify([data.inputs, data.dataSha256, model.sha256, config.precision, engine.kernels]),
    );
    const owner: OpenOwner = {
      client: { id: pooledFrom ? POOLED : id, numTrain: examples, numTargets: targets, rank },
      setup,
      train,
      examples: data,
      states: { main: states('main'), local: states('local') },
      best: states('best'),
      scored: scoreMemory(join(home, 'scored'), scoredOf),
      throwIfStopped: () => this.#host.throwIfStopped(),
    };
    const bytes = [data, ...pooled].reduce(
      (sum, { tokens, lossMask }) => sum + tokens.byteLength + lossMask.byteLength,
      0,
    );
    this.#opened = { from, owner, bytes };
    return owner;
  }
}

/** Throws ModelError OTHER_BASE, OTHER_TOKENIZER; DataError OTHER_TEMPLATE. */
async function checkSameInputs(id: string, request: Omit<DescribeRequest, 'kind'>, model: OwnerModel): Promise<void> {
  const { config, baseSha256, templateSha256: wantedTemplate } = request;
  const differ = (what: string, expected: string | null, came: string | null, which: string): string =>
    `Expected ${what} of this run (${expected === null ? 'of fedtune or of the base' : `sha256 ${expected.slice(0, 12)}...`}) but ` +
    `${which} of ${id} is ${came === null ? 'one of fedtune or of the base' : `${came.slice(0, 12)}...`}. Take the same on both sides.`;
  if (model.sha256 !== baseSha256) {
    throw new ModelError('OTHER_BASE', differ('the base', baseSha256, model.sha256, config.model));
  }
  const tokenizer = await tokenizerSha256(model);
  if (tokenizer !== request.tokenizerSha256) {
    throw new ModelError(
      'OTHER_TOKENIZER',
      differ('the tokenizer and chat template', request.tokenizerSha256, tokenizer, `that beside ${config.model}`),
    );
  }
  const template = await templateSha256(config.template);
  if (template === wantedTemplate) return;
  throw new DataError('OTHER_TEMPLATE', differ('the prompt template', wantedTemplate, template, config.template));
}

async function readDescribed(home: string): Promise<string> {
  return readFile(describedFile(home), 'utf8').catch((cause: unknown) => {
    throw new FedtuneError('NOT_DESCRIBED', `Expected a describe request before the others, but ${home} had none.`, {
      cause,
    });
  });
}

async function loadDescribed(home: string): Promise<{ data: OwnerData }> {
  await readDescribed(home);
  return { data: loadData(home) };
}
