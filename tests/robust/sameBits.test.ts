import { describe, expect, it } from 'vitest';
import type { Link } from '../../src/links/link.js';
import { randomStream, shuffled } from '../../src/random.js';
import { outcomeOf as inlineOutcome, runInline, stateText } from '../methods/inlineRun.js';
import { fedtune, outcomeOf, workFolder, writeRunFile } from './cli.js';

const DEVICES = [
  { name: 'desk', tokens_per_second: 1000 },
  { name: 'phone', tokens_per_second: 100, upload_mbps: 1 },
];
const CASES: readonly (readonly [string, Record<string, unknown>])[] = [
  ['fedavg and fedqp', { method: 'fedavg', mutation: 'fedqp', num_rounds: 3, finetune_steps: 1 }],
  [
    'perfit with drop-outs, devices and late updates',
    { method: 'perfit', dropout_rate: 0.25, devices: DEVICES, deadline: 2, late: 'discount', also_local: true },
  ],
  ['scaffold with some of the clients', { method: 'scaffold', clients_per_round: 3, lora_dropout: 0.1 }],
  ['ditto', { method: 'ditto', gradient_accumulation_steps: 2 }],
  ['asynchronous fedadam', { method: 'fedadam', devices: DEVICES, async_buffer: 2, clients_per_round: 3 }],
  ['flora with unlike ranks', { method: 'flora', rank_per_client: [1, 2, 3, 4] }],
];
const FOUR_OWNERS = { partition: 'iid', num_clients: 4 };

async function run(settings: Record<string, unknown>): Promise<Record<string, unknown>> {
  const cwd = await workFolder();
  await writeRunFile(cwd, { ...FOUR_OWNERS, ...settings });
  const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml']);
  expect(code, stderr).toBe(0);
  return outcomeOf(cwd);
}

/** Passes on what waits in a random order, one request after the other. */
function shuffledLink(link: Link, seed: number): Link {
  const random = randomStream(seed, 'order');
  let waiting: (() => Promise<unknown>)[] = [];
  const drain = async () => {
    const requests = shuffled(waiting, random);
    waiting = [];
    for (const request of requests) await request();
  };
  const later = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (waiting.push(() => work().then(resolve, reject)) === 1) setImmediate(drain);
    });
  return { ...link, ask: (owner, request) => later(() => link.ask(owner, request)) };
}

describe.each(CASES)('%s', (_, settings) => {
  it('gives the same bits with 1, 2 and 4 workers, whatever their threads', async () => {
    const one = await run(settings);
    expect(await run({ ...settings, workers: 2, threads: 2 })).toEqual(one);
    expect(await run({ ...settings, workers: 4, checkpointing: true })).toEqual(one);
  });

  it('gives the same bits in any order of completion', async () => {
    const keys = { ...FOUR_OWNERS, ...settings };
    const inOrder = await runInline(keys);
    for (const seed of [1, 2]) {
      const order: string[] = [];
      const mixed = await runInline(keys, {
        link: (link) => {
          const ask: Link['ask'] = (owner, request) => {
            if (request.kind === 'train') order.push(`${request.round} ${owner}`);
            return link.ask(owner, request);
          };
          return shuffledLink({ ...link, ask }, seed);
        },
      });
      expect(order).not.toEqual([...order].sort());
      expect(inlineOutcome(mixed)).toEqual(inlineOutcome(inOrder));
      expect(mixed.states.map(stateText)).toEqual(inOrder.states.map(stateText));
    }
  });
});
