import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_PAYLOAD } from '../../src/federation/accounts.js';
import { randomStream } from '../../src/random.js';
import { freePort } from '../federation/server.js';
import { ended } from './cli.js';
import { NET, Net, OWNERS } from './net.js';
import { peaksOf } from './netMemory.js';

const SEED = 11;

let net: Net;

beforeAll(async () => {
  net = await Net.open({ url: `nats://127.0.0.1:${await freePort()}` });
});
afterAll(() => net?.close());

describe('owners on machines of their own', () => {
  it('give the bits of threads', async () => {
    const { code, stderr } = await net.fedtune(net.runArgs('far'));
    expect(code, stderr).toBe(0);
    expect(await net.outcome('far')).toEqual(net.reference);
    const status = await net.fedtune(['federation', 'status', NET]);
    for (const owner of OWNERS) expect(status.stdout).toMatch(new RegExp(`${owner} +joined +connected +waits`));
  });

  it('leave nothing of their rows with the server or the coordinator', async () => {
    const bytesBelow = (dir: string): Buffer =>
      Buffer.concat(
        readdirSync(join(net.cwd, dir), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name))),
      );
    const theirs = Buffer.concat([bytesBelow(NET), bytesBelow('far')]);
    // The streams of the server are among them: what was asked last is found.
    expect(theirs.includes('"kind":"finish"')).toBe(true);
    let looked = 0;
    for (const owner of OWNERS) {
      const home = net
        .farHome('far')(owner)
        .replace(/adapter$/, '');
      const rows = readFileSync(join(home, 'rows.jsonl'), 'utf8').trim().split('\n');
      const ids = JSON.parse(readFileSync(join(home, 'split.json'), 'utf8'));
      const scores = readFileSync(join(home, 'scores.jsonl'), 'utf8').trim().split('\n');
      const texts = [
        ...rows.flatMap((row) => [JSON.parse(row).instruction, JSON.parse(row).output]),
        ...Object.values(ids).flat(),
        ...scores.flatMap((line) => Object.values(JSON.parse(line).nll).map(String)),
      ] as string[];
      for (const text of texts.filter(({ length }) => length > 8)) {
        looked++;
        expect(theirs.includes(text), text).toBe(false);
        expect(theirs.includes(JSON.stringify(text).slice(1, -1)), text).toBe(false);
      }
    }
    expect(looked).toBeGreaterThan(50);
  });

  const MEMORY_ROUNDS = process.env.npm_lifecycle_event === 'test:memory' ? 100 : 12;
  it.skipIf(process.platform !== 'linux')(`take no more memory in later rounds, of ${MEMORY_ROUNDS}`, async () => {
    const { peaks, update } = await peaksOf(net, MEMORY_ROUNDS);
    // An update does not fit into a message of the server, so that it went in pieces.
    expect(update).toBeGreaterThan(MAX_PAYLOAD);
    // Were one kept in each round between the two peaks, there would be so much more.
    const kept = (3 / 8) * MEMORY_ROUNDS * update;
    for (const [name, [first, second]] of Object.entries(peaks)) {
      if (MEMORY_ROUNDS > 12)
        console.log(
          name,
          [first, second].map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`),
        );
      expect(first, name).toBeGreaterThan(0);
      expect(second - first, name).toBeLessThan(Math.max(kept / 2, 0.1 * first));
    }
  });

  /** Who is killed when the first agent begins a round, and again a random while later. */
  const MOMENTS = [
    { round: 1, who: 'agent' },
    { round: 2, who: 'coordinator' },
    { round: 2, who: 'nats-server' },
    { round: 3, who: 'coordinator and agent' },
    { round: 1, who: 'nats-server and coordinator' },
    { round: 3, who: 'agent and nats-server' },
  ];
  const LAPS = process.env.npm_lifecycle_event === 'test:kill' ? 5 : 1;
  const CASES = Array.from({ length: LAPS * MOMENTS.length }, (_, i) => ({ i, ...MOMENTS[i % MOMENTS.length]! }));

  it.each(CASES)('and where $who is killed about round $round ($i)', async ({ i, who, round }) => {
    const random = randomStream(SEED, 'kill', i);
    const dir = `killed-${i}`;
    const [owner] = OWNERS as [string];
    const agent = net.agents.get(owner)!;
    const before = agent.said.split(`training, round ${round}`).length - 1;
    let coordinator = net.program(net.runArgs(dir));
    await agent.until(`training, round ${round}`, before + 1);
    for (const one of who.split(' and ')) {
      await sleep(random() * 400);
      if (one === 'coordinator') await coordinator.kill('SIGKILL');
      if (one === 'agent') await agent.kill('SIGKILL');
      if (one === 'nats-server') {
        process.kill(net.natsServerId(), 'SIGKILL');
        await ended(net.server.child);
      }
    }
    await sleep(random() * 1000);
    if (!net.server.isRunning) await net.startServer();
    if (!agent.isRunning) net.startAgent(owner);
    if (!coordinator.isRunning) coordinator = net.program([...net.runArgs(dir), '--resume', dir]);
    await ended(coordinator.child);
    expect(coordinator.child.exitCode, coordinator.said).toBe(0);
    expect(await net.outcome(dir)).toEqual(net.reference);
  });
});
