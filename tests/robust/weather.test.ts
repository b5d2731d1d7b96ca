import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, root } from './cli.js';
import { NET, Net, OWNERS } from './net.js';
import { Machines, noNamespaces, type Weather } from './weather.js';

const PIECE = 1024 * 1024;
const [OWNER] = OWNERS as [string];

interface Case {
  readonly name: string;
  readonly weather: Weather;
  /** Seconds for which nothing passes, in the middle. */
  readonly cut?: number;
  readonly megabytes: number;
}
const ALL: readonly Case[] = [
  { name: '5 % of packets lost', weather: { loss: 0.05 }, megabytes: 8 },
  { name: '200 ms each way', weather: { delay: 0.2 }, megabytes: 8 },
  { name: '1 Mbit/s', weather: { rate: 125_000 }, megabytes: 8 },
  { name: 'cut off for 30 s', weather: { rate: 500_000 }, cut: 30, megabytes: 8 },
];
const SHORT: readonly Case[] = [
  {
    name: 'late, lossy, slow, and cut off for 2 s',
    weather: { delay: 0.02, loss: 0.02, rate: 2_000_000 },
    cut: 2,
    megabytes: 4,
  },
];
const isWhole = process.env.npm_lifecycle_event === 'test:weather';
const CASES = isWhole ? ALL : SHORT;

const why = noNamespaces();
if (why !== undefined) console.warn(`The network between machines is not tested: ${why}.`);

describe.skipIf(why !== undefined)('owners and coordinator on two machines', () => {
  let machines: Machines;
  let net: Net;

  beforeAll(async () => {
    machines = new Machines();
    await machines.ready();
    const [hub, far] = [machines.on(machines.hub), machines.on(machines.far)];
    net = await Net.open({ url: `nats://${Machines.HUB}:4222`, listen: Machines.HUB, hub, far });
  });
  afterAll(async () => {
    await net?.close();
    const carried = await machines?.close();
    if (isWhole) console.log('carried', carried);
  });

  /** Lets nothing pass for a while, some time after something has begun. */
  async function cutOff(weather: Weather, seconds: number | undefined, after: number): Promise<void> {
    if (seconds === undefined) return;
    await sleep(after);
    await machines.set({ ...weather, cut: true });
    await sleep(1000 * seconds);
    await machines.set(weather);
  }

  const node = (inside: readonly string[], args: readonly string[]): ChildProcess => {
    const [command, ...rest] = [...inside, process.execPath, join(root, 'tests/robust/bigMessage.mjs'), ...args];
    return spawn(command!, rest, { cwd: net.cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  };

  it.each(CASES)(
    '$name: a large message arrives either way, and no piece of it is sent twice',
    async ({ weather, cut, megabytes }) => {
      await net.agents.get(OWNER)!.kill('SIGTERM');
      const owner = node(machines.on(machines.far), ['owner', `${NET}-${OWNER}/keys.json`, String(megabytes)]);
      await machines.set(weather);
      const begun = performance.now();
      const coordinator = node(machines.on(machines.hub), ['coordinator', NET, OWNER, String(megabytes)]);
      const [{ stdout, code }] = await Promise.all([ended(coordinator), cutOff(weather, cut, 3000)]);
      const seconds = (performance.now() - begun) / 1000;
      owner.kill('SIGTERM');
      await machines.set({});
      net.startAgent(OWNER);
      expect(code, stdout).toBe(0);
      const { isWhole: isEqual, bytesDown, bytesUp, messages } = JSON.parse(stdout.trim().split('\n').at(-1)!);
      expect(isEqual).toBe(true);
      // Its pieces, the task and the reply.
      const least = Math.ceil(bytesDown / PIECE) + Math.ceil(bytesUp / PIECE) + 2;
      if (isWhole)
        console.log(`${megabytes} MiB each way in ${seconds.toFixed(1)} s, ${messages} messages of ${least}`);
      // Where a connection breaks, those under way may have arrived already.
      expect(messages).toBeGreaterThanOrEqual(least);
      expect(messages).toBeLessThanOrEqual(least + (cut === undefined ? 0 : 4));
      await net.agents.get(OWNER)!.until('waiting for a run');
    },
  );

  it.runIf(isWhole).each(CASES)('$name: a run ends with the same bits', async ({ name, weather, cut }) => {
    await machines.set(weather);
    const dir = name.replaceAll(/\W+/g, '-');
    const begun = performance.now();
    const coordinator = net.program(net.runArgs(dir));
    const [{ code }] = await Promise.all([ended(coordinator.child), cutOff(weather, cut, 4000)]);
    await machines.set({});
    console.log(`${name}: a run of ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    expect(code, coordinator.said).toBe(0);
    expect(await net.outcome(dir)).toEqual(net.reference);
  });
});
