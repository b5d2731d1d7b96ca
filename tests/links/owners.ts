import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { beginAdapter } from '../../src/adapter/init.js';
import type { AdapterLayout } from '../../src/adapter/layout.js';
import { packPart } from '../../src/adapter/part.js';
import type { OwnerHome } from '../../src/client/owner.js';
import { parseConfig } from '../../src/config/parse.js';
import type { RunConfig } from '../../src/config/schema.js';
import { EVAL_SPLITS, type EvalSplit } from '../../src/contracts/evaluation.js';
import type { DescribeRequest, FinishRequest, ScoreRequest, TrainRequest } from '../../src/contracts/messages.js';
import { type Example, loadExamples } from '../../src/data/index.js';
import type { Link } from '../../src/links/link.js';
import type { Sending } from '../../src/methods/method.js';
import { type BaseModel, loadModel } from '../../src/model/index.js';
import { byCode } from '../../src/order.js';
import { deriveSeed } from '../../src/random.js';
import { sha256 } from '../../src/sha256.js';
import { TINY_RUN } from '../support/tinyRun.js';

/** Links that start threads or processes run the compiled code. */
export async function compiledLinks() {
  const at = (name: string) => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));
  const threads = (await import(at('links/threads'))) as typeof import('../../src/links/threads.js');
  const processes = (await import(at('links/processes'))) as typeof import('../../src/links/processes.js');
  /** What these throw: classes of the compiled code. */
  const errors = (await import(at('errors'))) as typeof import('../../src/errors.js');
  return { ...threads, ...processes, errors };
}

export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-owners-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Owners of the embedded data in folders of their own, ready to be asked. */
export interface Federation {
  readonly dir: string;
  readonly config: RunConfig;
  readonly model: BaseModel;
  readonly layout: AdapterLayout;
  readonly initial: Float32Array;
  readonly homes: readonly OwnerHome[];
  readonly givenSplits: readonly EvalSplit[];
}

/** Writes each owner's rows into its home. */
export function dealRows(dir: string, rows: ReadonlyMap<string, readonly Example[]>): OwnerHome[] {
  return [...rows]
    .sort(([a], [b]) => byCode(a, b))
    .map(([id, examples]) => {
      const home = join(dir, 'owners', id);
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'rows.jsonl'), examples.map((example) => `${JSON.stringify(example)}\n`).join(''));
      return { id, home, takeHome: join(dir, 'taken', id) };
    });
}

/** The first owners of the embedded data. */
export async function makeFederation(
  settings: Record<string, unknown> = {},
  { owners = 3, dir = temporaryFolder(), change = (example: Example): Example => example } = {},
): Promise<Federation> {
  const config = parseConfig({ ...TINY_RUN, ...settings });
  const model = await loadModel(config.model);
  const { examples } = await loadExamples(config.data as string);
  const rows = new Map<string, Example[]>();
  for (const example of examples.map(change)) rows.set(example.owner!, [...(rows.get(example.owner!) ?? []), example]);
  const first = new Map([...rows].sort(([a], [b]) => byCode(a, b)).slice(0, owners));
  const givenSplits = EVAL_SPLITS.filter((split) => examples.some((example) => example.split === split));
  return {
    dir,
    config,
    model,
    ...beginAdapter(model.description, config),
    homes: dealRows(dir, first),
    givenSplits,
  };
}

export const describeRequest = ({ config, model, givenSplits }: Federation): DescribeRequest => ({
  kind: 'describe',
  config,
  baseSha256: model.sha256,
  // A GGUF file holds its tokenizer.
  tokenizerSha256: model.sha256,
  templateSha256: existsSync(config.template) ? sha256(readFileSync(config.template)) : null,
  rank: config.lora_r,
  givenSplits,
});

/** The fresh adapter, as a server sends it. */
export const freshSending = ({ layout, initial, config }: Federation): Sending => ({
  parts: config.method === 'local' ? {} : { adapter: packPart({ layout, values: initial, mask: null }) },
  note: config.method === 'perfit' ? { search: true } : null,
});

export const trainRequest = (
  federation: Federation,
  owner: string,
  more: Partial<TrainRequest> = {},
): TrainRequest => ({
  kind: 'train',
  arm: 'main',
  round: 1,
  turn: 1,
  attempt: 0,
  seed: deriveSeed(federation.config.seed, 'job', 1, owner),
  state: 0,
  keep: [],
  ...freshSending(federation),
  ...more,
});

export const scoreRequest = (federation: Federation, more: Partial<ScoreRequest> = {}): ScoreRequest => ({
  kind: 'score',
  round: 1,
  split: 'valid',
  which: ['base', 'local', 'global', 'personalized'],
  states: { main: 0, local: 0 },
  ...freshSending(federation),
  ...more,
});

export const finishRequest = (
  federation: Federation,
  owner: string,
  more: Partial<FinishRequest> = {},
): FinishRequest => ({
  kind: 'finish',
  round: 1,
  seed: deriveSeed(federation.config.seed, 'job', federation.config.num_rounds + 1, owner),
  states: { main: 0, local: 0 },
  ...freshSending(federation),
  ...more,
});

/** Describes all owners. */
export async function describeAll(link: Link, federation: Federation): Promise<void> {
  await Promise.all(federation.homes.map(({ id }) => link.ask(id, describeRequest(federation))));
}
