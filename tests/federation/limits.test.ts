import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { runAgent } from '../../src/federation/agent.js';
import { NatsLink } from '../../src/federation/link.js';
import type { OwnerHome } from '../../src/links/link.js';
import { describeOwners } from '../../src/run/owners.js';
import { prepare } from '../../src/run/prepare.js';
import { createInlineLink } from '../links/inline.js';
import { netConfig, writeRows } from './agents.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 60_000 });

/** What the agent opens its process with. */
const opened: { readonly threads: number }[] = [];
vi.mock('../../src/links/index.js', async (original) => ({
  ...(await original<object>()),
  createProcessesLink: (options: { readonly homes: readonly OwnerHome[]; readonly threads: number }) => {
    opened.push(options);
    return createInlineLink({ homes: options.homes });
  },
}));

const federation = testFederation();
let count = 0;

/** An owner with this owner.yaml, run by its agent, and the coordinator's side of what it is asked. */
async function agentWith(
  limits: string,
  settings: Record<string, unknown> = {},
  more: Partial<ConstructorParameters<typeof NatsLink>[0]> = {},
) {
  const owner = `owner-${count++}`;
  const home = join(federation.root, owner);
  mkdirSync(home);
  writeFileSync(join(home, 'owner.yaml'), limits);
  const keys = await federation.join(owner);
  const controller = new AbortController();
  const data = [writeRows(federation.root, owner, count)];
  const options = { home, keys, data, accept: async () => true, signal: controller.signal, onStatus: () => {} };
  const ended = runAgent(options).catch(() => {});
  const said: string[] = [];
  const link = new NatsLink({
    ...{ federation: federation.folder, run: crypto.randomUUID(), owners: [owner], maxReplyBytes: 1 << 24 },
    onStatus: (text) => said.push(text),
    ...more,
  });
  onTestFinished(async () => {
    await link.close();
    controller.abort();
    await ended;
  });
  const prepared = await prepare(netConfig(federation, settings));
  const describe = () => describeOwners(prepared, link, [{ id: owner, folder: owner }], []);
  const train = () =>
    link.ask(owner, {
      ...{ kind: 'train', arm: 'main', round: 1, turn: 1, attempt: 0, seed: 1, state: 0, keep: [], note: null },
      parts: {
        adapter: { ranks: 4, factors: 'both', mask: 'none', values: prepared.initial, bits: new Uint8Array(0) },
      },
    });
  const finish = () =>
    link.ask(owner, {
      ...{ kind: 'finish', round: 1, seed: 1, states: { main: 1, local: 0 }, note: null },
      parts: {
        adapter: { ranks: 4, factors: 'both', mask: 'none', values: prepared.initial, bits: new Uint8Array(0) },
      },
    });
  return { owner, home, said, describe, train, finish };
}

it('an owner’s own questions are answered in its folder, and nobody hears of them', async () => {
  const question = 'Who repairs the lock of cell 7?';
  const crossed: string[] = [];
  const tap = (_owner: string, _way: string, bytes: Uint8Array) => crossed.push(Buffer.from(bytes).toString('latin1'));
  const { home, describe, train, finish } = await agentWith(`samples: ["${question}"]`, {}, { tap });
  await describe();
  await train();
  await finish();
  const [run] = readdirSync(join(home, 'runs'));
  const [line, end] = readFileSync(join(home, 'runs', run!, 'samples.jsonl'), 'utf8').split('\n');
  const { prompt, base, own } = JSON.parse(line!);
  expect([prompt, end]).toEqual([question, '']);
  expect([base, own].every((answer) => typeof answer === 'string' && answer.length > 0)).toBe(true);
  expect(crossed.length).toBeGreaterThan(5);
  for (const text of crossed) for (const said of [question, base, own]) expect(text).not.toContain(said);
});

describe('what owner.yaml says holds, and the coordinator hears of it by name', () => {
  it.each([
    ['methods: [perfit]', {}, 'method fedavg is none of perfit'],
    ['max_rounds: 2', {}, 'num_rounds 3 is over max_rounds 2'],
    ['max_local_steps: 3', { local_steps: 4 }, 'local_steps 4 is over max_local_steps 3'],
    ['min_owners: 3', { min_clients: 2 }, 'min_clients 2 is under min_owners 3'],
  ])('%s', async (limits, settings, why) => {
    const { owner, describe } = await agentWith(limits, settings);
    const message = expect.stringMatching(`${owner}: .*${why}`);
    await expect(describe()).rejects.toMatchObject({ code: 'OWNER_LIMIT', message });
  });

  it('categories are told where it says so; threads are as many as it says', async () => {
    const shy = await agentWith('threads: 1');
    const [said] = await shy.describe();
    expect(said!.description.categories).toEqual({});
    expect(opened.at(-1)).toMatchObject({ threads: 1 });
    const open = await agentWith('categories: true\nthreads: 3');
    await open.describe();
    expect(opened.at(-1)).toMatchObject({ threads: 3 });
  });

  it('max_message_mb', async () => {
    const { describe, train } = await agentWith('max_message_mb: 1', { lora_r: 64, lora_alpha: 64 });
    await describe();
    await expect(train()).rejects.toMatchObject({
      code: 'OWNER_LIMIT',
      message: expect.stringMatching(/max_message_mb of its owner.yaml/),
    });
  });

  it('hours: the owner is waited for, by name, until they begin', async () => {
    const now = new Date();
    const hour = (offset: number) => (now.getUTCHours() + offset + 24) % 24;
    const limits = `time_zone: UTC\nhours: ${hour(2)}-${hour(4)}`;
    const shut = await agentWith(limits, {}, { askAgainMs: 200, deadlineMs: 15_000 });
    await shut.describe();
    const waiting = shut.train();
    waiting.catch(() => {});
    await vi.waitFor(() => expect(shut.said).toHaveLength(1), 10_000);
    expect(shut.said[0]).toMatch(
      `waiting for ${shut.owner} (OUT_OF_HOURS): The owner trains at ${hour(2)}-${hour(4)} (UTC)`,
    );
    vi.useFakeTimers({ now: new Date(now.getTime() + 3 * 3_600_000), toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    expect((await waiting).reply.kind).toBe('update');
    expect(shut.said).toHaveLength(1);
  });

  it('hours beyond the deadline: it is absent', async () => {
    const hour = (new Date().getUTCHours() + 12) % 24;
    const shut = await agentWith(
      `time_zone: UTC\nhours: ${hour}-${(hour + 1) % 24}`,
      {},
      { askAgainMs: 100, deadlineMs: 2000 },
    );
    await shut.describe();
    await expect(shut.train()).rejects.toMatchObject({ code: 'ABSENT' });
  });
});
