import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { OwnerHome } from '../../src/client/owner.js';
import { parseConfig } from '../../src/config/parse.js';
import type { RunConfig } from '../../src/config/schema.js';
import type { Which } from '../../src/contracts/evaluation.js';
import type { RunEvent } from '../../src/contracts/events.js';
import type { Request, TrainRequest, Update } from '../../src/contracts/messages.js';
import type { Answer, Link } from '../../src/links/link.js';
import { Base } from '../../src/native/engine.js';
import { type Deal, deal, writeHomes } from '../../src/run/deal.js';
import { makeFederation } from '../../src/run/federation.js';
import { describeOwners, homesOf, ownerHomes, POOLED_FOLDER, takeHomesOf } from '../../src/run/owners.js';
import { type Prepared, prepare } from '../../src/run/prepare.js';
import { type FinishedRun, finishRun } from '../../src/server/finish.js';
import { runRounds } from '../../src/server/loop.js';
import type { Federation, LoopState } from '../../src/server/types.js';
import { decodeDocument, encodeDocument, type LazyTensor, madeTensor, type Tensor } from '../../src/store/document.js';
import { createInlineLink } from '../links/inline.js';
import { TINY_RUN } from '../support/tinyRun.js';

/** Where a run can be gone on from: what the server saves after a round, and the homes of the owners as they are then. */
export interface Checkpoint {
  readonly loop: LoopState;
  readonly dir: string;
}

export interface InlineRun {
  readonly prepared: Prepared;
  readonly federation: Federation;
  readonly finished: FinishedRun;
  readonly events: readonly RunEvent[];
  /** After each round, from 0. */
  readonly states: readonly Checkpoint[];
  /** Where each owner left what it takes home, by its id. */
  readonly takeHomes: ReadonlyMap<string, string>;
}

export interface InlineHooks {
  /** Changes what an owner sends, or throws in its place. */
  readonly tamper?: (update: Update, request: TrainRequest, client: string) => Update;
  /** Opens a link to these owners. @default that of this thread */
  readonly open?: (homes: readonly OwnerHome[], prepared: Prepared) => Link | Promise<Link>;
  /** Stands between the rounds and the link. */
  readonly link?: (link: Link) => Link;
  /** Goes on from this state. */
  readonly from?: Checkpoint;
}

let root: string | undefined;
afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
});

/** An empty folder that goes with the test file. */
export function temporaryFolder(): string {
  root ??= mkdtempSync(join(tmpdir(), 'fedtune-inline-'));
  return mkdtempSync(join(root, 'run-'));
}

/** One preparation a configuration: runs that go on from a state, or whose owners are tampered with, share it. */
function once<T>(make: (config: RunConfig) => Promise<T>): (config: RunConfig) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (config) => {
    const key = JSON.stringify(config);
    const value = made.get(key) ?? make(config);
    made.set(key, value);
    return value;
  };
}

const bases = new Map<string, Base>();

const prepareOnce = once(async (config) => {
  const prepared = await prepare(config);
  // Held, so that the engine keeps the weights from one run to the next.
  const { description, sha256 } = prepared.model;
  const { precision, kernels } = config;
  const key = JSON.stringify([sha256, precision, kernels]);
  if (!bases.has(key)) bases.set(key, new Base({ description, precision, kernels }));
  return prepared;
});

const dealOnce = once(deal);

/** The owners' rows in their homes, or the homes as they were at a checkpoint. */
async function makeHomes(prepared: Prepared, dealt: Deal, from: Checkpoint | undefined): Promise<string> {
  const dir = temporaryFolder();
  if (from) cpSync(from.dir, dir, { recursive: true });
  else {
    await writeHomes(homesOf(dir), dealt);
    if (prepared.method.capabilities.pooled) mkdirSync(join(homesOf(dir), POOLED_FOLDER));
  }
  return dir;
}

/** A state as a run folder would give it back, without the disk. */
function savedAndLoaded(state: LoopState): LoopState {
  const tensors: Tensor[] = [];
  const json = JSON.stringify(encodeDocument(state, (tensor) => tensors.push(madeTensor(tensor).slice()) - 1));
  return decodeDocument(JSON.parse(json), (place) => tensors[place]!) as LoopState;
}

/** A state without what a clock says: the seconds of updates that wait. */
const withoutSeconds = ({ pending, ...state }: LoopState): LoopState => ({
  ...state,
  pending: pending.map(({ received, ...rest }) => ({
    ...rest,
    received: { ...received, seconds: 0 },
  })),
});

/** All of a state as text, with tensors by their sha256: equal for equal bits. */
export function stateText({ loop }: Checkpoint): string {
  const digests: string[] = [];
  const place = (tensor: Tensor | LazyTensor) => digests.push(digest(madeTensor(tensor))) - 1;
  return JSON.stringify([encodeDocument(withoutSeconds(loop), place), digests]);
}

/** A link whose owners send something else than they have trained. */
function tampered(link: Link, tamper: NonNullable<InlineHooks['tamper']>): Link {
  const ask = async <R extends Request>(owner: string, request: R): Promise<Answer<R['kind']>> => {
    const answer = await link.ask(owner, request);
    if (request.kind !== 'train') return answer;
    return { ...answer, reply: tamper(answer.reply as Update, request, owner) } as Answer<R['kind']>;
  };
  return { ...link, ask };
}

/** Runs a federation of the embedded data in this thread, without a run folder: `TINY_RUN` with `settings` on top. */
export async function runInline(settings: Record<string, unknown> = {}, hooks: InlineHooks = {}): Promise<InlineRun> {
  const config = parseConfig({ ...TINY_RUN, ...settings });
  const prepared = await prepareOnce(config);
  const dealt = await dealOnce(config);
  const dir = await makeHomes(prepared, dealt, hooks.from);
  const homes = ownerHomes(dir, dealt.owners, prepared.method.capabilities.pooled === true);
  const opened = (await hooks.open?.(homes, prepared)) ?? createInlineLink({ homes });
  const honest = hooks.link?.(opened) ?? opened;
  const link = hooks.tamper ? tampered(honest, hooks.tamper) : honest;
  const events: RunEvent[] = [];
  const states: Checkpoint[] = [];
  const host = {
    link,
    emit: (event: RunEvent) => events.push(event),
    progress: () => {},
    signal: new AbortController().signal,
    checkpoint: async (state: LoopState) => {
      const saved = temporaryFolder();
      cpSync(homesOf(dir), homesOf(saved), { recursive: true });
      states.push({ loop: savedAndLoaded(state), dir: saved });
    },
  };
  try {
    const federation = makeFederation(prepared, await describeOwners(prepared, link, dealt.owners, dealt.givenSplits));
    const state = await runRounds(federation, host, hooks.from && savedAndLoaded(hooks.from.loop));
    mkdirSync(takeHomesOf(dir));
    const finished = await finishRun(federation, state, host);
    const takeHomes = new Map(homes.map(({ id, takeHome }) => [id, takeHome]));
    return { prepared, federation, finished, events, states, takeHomes };
  } finally {
    await link.close();
  }
}

/** sha256 of an array: equal for equal bits (comparing large arrays entry by entry is slow). */
export function digest(values: ArrayBufferView | undefined): string {
  if (!values) return 'none';
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}

/** sha256 of every file below a folder, by name. */
export function digestFiles(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(dir.length + 1), digest(readFileSync(path))]));
}

/** Everything of a run that must be equal between equal runs: what is merged, what owners take home, and every score. */
export function outcomeOf({ finished, takeHomes }: InlineRun) {
  return {
    global: digest(finished.global?.values),
    adapters: finished.clients.map(({ client }) => digestFiles(takeHomes.get(client.id)!)),
    takeHome: finished.clients.map(({ takeHome }) => takeHome),
    valid: finished.clients.map(({ valid }) => valid),
    test: finished.clients.map(({ test }) => test),
    totals: finished.state.totals,
  };
}

/** Macro perplexity on the owners' test examples. */
export function macro(run: Pick<InlineRun, 'finished'>, which: Which): number {
  const scores = run.finished.clients.map(({ test }) => test[which]?.ppl ?? Number.NaN);
  return scores.reduce((sum, ppl) => sum + ppl, 0) / scores.length;
}

/** The metrics of every merge, in order. */
export function roundMetrics(run: Pick<InlineRun, 'events'>): Readonly<Record<string, unknown>>[] {
  return run.events.filter((event) => event.type === 'round').map(({ metrics }) => metrics);
}
