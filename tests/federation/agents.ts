import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import type { RunConfig } from '../../src/config/schema.js';
import type { Request } from '../../src/contracts/messages.js';
import { loadExamples } from '../../src/data/index.js';
import { limitsSchema } from '../../src/federation/limits.js';
import { OwnerWork, type OwnerWorkOptions } from '../../src/federation/ownerWork.js';
import { decodeRequest } from '../../src/links/codec.js';
import { createInlineLink } from '../links/inline.js';
import { TINY_RUN } from '../support/tinyRun.js';
import type { TestFederation } from './server.js';

const { examples } = await loadExamples('embedded');
/** Owners of the embedded data, whose rows those of a test have, one after the other. */
const SOURCES = [...new Set(examples.map(({ owner }) => owner!))].sort();

/** Writes the rows of the `index`-th owner of the embedded data for an owner of that name. */
export function writeRows(dir: string, name: string, index: number): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.jsonl`);
  const rows = examples.filter(({ owner }) => owner === SOURCES[index % SOURCES.length]);
  const lines = rows.map(({ instruction, input, output, split }) =>
    JSON.stringify({ instruction, input, output, split }),
  );
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

export interface Agent {
  /** What it said. */
  readonly said: string[];
  stop(): Promise<void>;
}

/** An owner's agent as `fedtune join` makes it, but for the process that trains, which is this one. */
export async function startAgent(
  federation: TestFederation,
  name: string,
  index: number,
  {
    before = async () => {},
    ...more
  }: Partial<OwnerWorkOptions> & { before?: (request: Request) => Promise<void> } = {},
): Promise<Agent> {
  const data = [writeRows(join(federation.root, 'data'), name, index)];
  const said: string[] = [];
  const work = new OwnerWork({
    ...{ id: name, home: join(federation.root, name), data, limits: limitsSchema.parse({}) },
    accept: async () => true,
    open: (home) => createInlineLink({ homes: [home] }),
    onStatus: (text) => said.push(text),
    ...more,
  });
  const agent = await federation.serve(
    name,
    async (task) => {
      await before(decodeRequest(task.bytes));
      return work.answer(task);
    },
    { onStatus: (text) => said.push(text) },
  );
  let isOver = false;
  const stop = async () => {
    if (isOver) return;
    isOver = true;
    await agent.stop();
    await work.close();
  };
  onTestFinished(stop);
  return { said, stop };
}

/** The configuration of a short run with whoever has joined. */
export function netConfig(federation: TestFederation, settings: Record<string, unknown>): RunConfig {
  return parseConfig({
    ...TINY_RUN,
    ...{ method: 'fedavg', threads: 1, local_steps: 1, max_train_examples: 4, seq_length: 64 },
    ...{ runtime: 'nats', federation: federation.folder.dir },
    ...settings,
  });
}
