import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { OwnerHome } from '../../src/client/owner.js';
import type { RunEvent } from '../../src/contracts/events.js';
import type { Request } from '../../src/contracts/messages.js';
import type { RunProgress } from '../../src/contracts/progress.js';
import { announce } from '../../src/federation/coordinator.js';
import { removeOwner } from '../../src/federation/invite.js';
import { limitsSchema } from '../../src/federation/limits.js';
import type { Link } from '../../src/links/link.js';
import { runFederation } from '../../src/run/runFederation.js';
import { createInlineLink } from '../links/inline.js';
import { type Agent, netConfig, startAgent } from './agents.js';
import { TestFederation } from './server.js';

vi.setConfig({ testTimeout: 120_000 });

/** A federation of its own: whoever has joined is in its runs. */
async function withFederation(work: (federation: TestFederation) => Promise<void>): Promise<void> {
  const federation = new TestFederation();
  await federation.start();
  try {
    await work(federation);
  } finally {
    await federation.stop();
  }
}

const eventsOf = (dir: string): RunEvent[] =>
  readFileSync(join(dir, 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const merged = (dir: string) => eventsOf(dir).flatMap((event) => (event.type === 'round' ? [event.clients] : []));
const failed = (dir: string) =>
  eventsOf(dir).flatMap((event) => (event.type === 'client_failed' ? [[event.round, event.client, event.code]] : []));

/** Waits until something is so, while a run goes on. */
const until = (what: () => boolean): Promise<void> =>
  vi.waitFor(() => {
    if (!what()) throw new Error('not yet');
  }, 60_000);

describe('owners come and go', () => {
  it.each(['scaffold'])(
    'one that joins while a run of %s goes on is in two rounds later, also where the run is resumed',
    (method) =>
      withFederation(async (federation) => {
        let west: Agent | undefined;
        const before = async (request: Request) => {
          if (request.kind !== 'train') return;
          if (request.round === 1) west ??= await startAgent(federation, 'west', 2);
          if (request.round === 2) await until(() => west!.said.some((text) => text.startsWith('takes part')));
        };
        await startAgent(federation, 'north', 0);
        await startAgent(federation, 'south', 1, { before });
        const output_dir = join(federation.root, 'run');
        const controller = new AbortController();
        const config = netConfig(federation, { method, num_rounds: 4, output_dir });
        const onProgress = (progress: RunProgress) => {
          if (progress.kind === 'round' && progress.round === 4) controller.abort();
        };
        await expect(runFederation({ config, onProgress, signal: controller.signal })).rejects.toThrow('Interrupted');
        const { owners } = await runFederation({ config, resume: true });
        const [two, three] = [
          ['north', 'south'],
          ['north', 'south', 'west'],
        ];
        expect(merged(output_dir)).toEqual([two, two, three, three]);
        expect(owners.map(({ id }) => id)).toEqual(three);
        expect(eventsOf(output_dir).filter(({ type }) => type === 'joined')).toMatchObject([
          { round: 3, clients: [{ id: 'west', kernels: expect.any(String) }] },
        ]);
      }),
  );

  it('a run begins without those who are away or will not, and names them; who comes later joins', () =>
    withFederation(async (federation) => {
      const output_dir = join(federation.root, 'run');
      const config = netConfig(federation, { num_rounds: 3, output_dir, deadline: 3, min_clients: 2 });
      const said: string[] = [];
      const onProgress = (progress: RunProgress) => {
        if (progress.kind === 'warning') said.push(progress.message);
      };
      await federation.join('away');
      await startAgent(federation, 'choosy', 3, { limits: limitsSchema.parse({ max_rounds: 2 }) });
      await startAgent(federation, 'north', 0);
      await expect(runFederation({ config, onProgress })).rejects.toMatchObject({ code: 'TOO_FEW_CLIENTS' });
      expect(said).toEqual([
        expect.stringMatching(/without choosy \(OWNER_LIMIT\).*num_rounds 3 is over max_rounds 2/),
        expect.stringMatching(/without away \(ABSENT\)/),
      ]);
      let late: Agent | undefined;
      const before = async (request: Request) => {
        if (request.kind !== 'train') return;
        if (request.round === 1) late = await startAgent(federation, 'away', 2);
        if (request.round === 2) await until(() => late!.said.some((text) => text.startsWith('takes part')));
      };
      await startAgent(federation, 'south', 1, { before });
      await runFederation({ config: { ...config, deadline: 5 }, onProgress });
      expect(merged(output_dir)[0]).toEqual(['north', 'south']);
      expect(merged(output_dir)[2]).toEqual(['away', 'north', 'south']);
    }));

  it('a run goes on without those who are away or gone, and names one that is another by now', () =>
    withFederation(async (federation) => {
      const output_dir = join(federation.root, 'run');
      const config = netConfig(federation, { num_rounds: 2, output_dir, deadline: 4, min_clients: 1, retries: 0 });
      const controller = new AbortController();
      const names = ['away', 'changed', 'gone', 'north'];
      const agents = new Map<string, Agent>();
      for (const [i, name] of names.entries()) agents.set(name, await startAgent(federation, name, i));
      const onProgress = (progress: RunProgress) => {
        if (progress.kind === 'round' && progress.round === 2) controller.abort();
      };
      await expect(runFederation({ config, onProgress, signal: controller.signal })).rejects.toThrow('Interrupted');
      await agents.get('away')!.stop();
      await agents.get('changed')!.stop();
      await announce(federation.folder, await removeOwner(federation.folder, 'gone'));
      await startAgent(federation, 'changed', 7);
      let isBack = false;
      await runFederation({
        config,
        resume: true,
        onProgress: (progress) => {
          // The end waits for everybody who is not removed.
          if (progress.kind !== 'evaluating' || isBack) return;
          isBack = true;
          void startAgent(federation, 'away', 0);
        },
      });
      expect(merged(output_dir)).toEqual([names, ['north']]);
      expect(failed(output_dir)).toEqual(
        expect.arrayContaining([
          [2, 'away', 'ABSENT'],
          [2, 'changed', 'OTHER_DATA'],
          [2, 'gone', 'REVOKED'],
        ]),
      );
    }));

  it('an update of another layout is its owner’s failure, by name, where there is a deadline', () =>
    withFederation(async (federation) => {
      const output_dir = join(federation.root, 'run');
      await startAgent(federation, 'north', 0);
      const odd = (home: OwnerHome): Link => {
        const link = createInlineLink({ homes: [home] });
        return {
          ...link,
          ask: (async (owner: string, request: Request) => {
            const answer = await link.ask(owner, request);
            if (answer.reply.kind !== 'update' || answer.reply.round !== 2) return answer;
            const { adapter } = answer.reply.parts;
            const parts = { adapter: { ...adapter!, ranks: 3, values: adapter!.values.slice(9) } };
            return { ...answer, reply: { ...answer.reply, parts } };
          }) as Link['ask'],
        };
      };
      await startAgent(federation, 'south', 1, { open: odd });
      await runFederation({ config: netConfig(federation, { num_rounds: 3, output_dir, deadline: 60, retries: 0 }) });
      expect(merged(output_dir)).toEqual([['north', 'south'], ['north'], ['north', 'south']]);
      expect(failed(output_dir)).toEqual([[2, 'south', 'UNLIKE_LAYOUT']]);
    }));
});
