import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Request } from '../../src/contracts/messages.js';
import { POOLED } from '../../src/contracts/pooled.js';
import type { Link, Tap } from '../../src/links/link.js';
import { createInlineLink } from './inline.js';
import {
  compiledLinks,
  dealRows,
  describeAll,
  describeRequest,
  type Federation,
  finishRequest,
  makeFederation,
  scoreRequest,
  trainRequest,
} from './owners.js';

const LINKS = ['inline', 'threads', 'processes'] as const;

async function makeLink(kind: (typeof LINKS)[number], { homes, model }: Federation, tap?: Tap): Promise<Link> {
  if (kind === 'inline') return createInlineLink({ homes, ...(tap ? { tap } : {}) });
  const { createThreadsLink, createProcessesLink } = await compiledLinks();
  const options = { homes, workers: 2, threads: 1, model, ...(tap ? { tap } : {}) };
  return kind === 'threads' ? createThreadsLink(options) : createProcessesLink(options);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Everything that an owner does in two rounds; its replies without their seconds, and the files that it leaves. */
async function walk(kind: (typeof LINKS)[number], settings: Record<string, unknown>) {
  const federation = await makeFederation(settings);
  const link = await makeLink(kind, federation);
  try {
    await describeAll(link, federation);
    return await Promise.all(
      federation.homes.map(async ({ id, home, takeHome }) => {
        const ask = async (request: Request) => {
          const { reply, bytesDown, bytesUp } = await link.ask(id, request);
          return { reply: { ...reply, seconds: 0 }, bytesDown, bytesUp };
        };
        const trained = [await ask(trainRequest(federation, id))];
        const note = settings.method === 'perfit' ? { search: true } : null;
        trained.push(await ask(trainRequest(federation, id, { round: 2, turn: 2, state: 1, keep: [1], note })));
        const states = { main: 2, local: 0 };
        const scored = await ask(scoreRequest(federation, { round: 2, states }));
        const finished = await ask(finishRequest(federation, id, { round: 2, states }));
        // A clock changes no size.
        const sizes = [...trained, scored, finished].map(({ bytesDown, bytesUp }) => [bytesDown, bytesUp]);
        const replies = [...trained, scored, finished].map(({ reply }) => reply);
        const files = ['scores.jsonl', 'split.json'].map((name) => readFileSync(join(home, name), 'utf8'));
        const weights = sha256(readFileSync(join(takeHome, 'adapter_model.safetensors')));
        return { replies, sizes, files, weights };
      }),
    );
  } finally {
    await link.close();
  }
}

describe('every link gives the same', () => {
  for (const settings of [
    { method: 'fedavg', finetune_steps: 2, also_local: true },
    { method: 'perfit', prune: 'rank', take_home: 'personalized' },
    { method: 'local' },
  ]) {
    it(settings.method, async () => {
      const inline = await walk('inline', settings);
      expect(await walk('threads', settings)).toEqual(inline);
      expect(await walk('processes', settings)).toEqual(inline);
    });
  }

  it('for the owner that stands for all (centralized)', async () => {
    const walks = await Promise.all(
      LINKS.map(async (kind) => {
        const federation = await makeFederation({ method: 'centralized' });
        const [pooled] = dealRows(join(federation.dir, 'pooled'), new Map([[POOLED, []]]));
        const all = { ...pooled!, pooledFrom: federation.homes.map(({ home }) => home) };
        const link = await makeLink(kind, { ...federation, homes: [...federation.homes, all] });
        try {
          await describeAll(link, federation);
          const { reply: description } = await link.ask(POOLED, describeRequest(federation));
          const note = { steps: 3 };
          const { reply } = await link.ask(POOLED, trainRequest(federation, POOLED, { note }));
          return { description, update: { ...reply, seconds: 0 } };
        } finally {
          await link.close();
        }
      }),
    );
    expect(walks[0]!.description.train.examples).toBe(24);
    expect(walks[1]).toEqual(walks[0]);
    expect(walks[2]).toEqual(walks[0]);
  });
});
