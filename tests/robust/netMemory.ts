import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { ended } from './cli.js';
import { type Net, OWNERS } from './net.js';

/** Resident memory of a process and of those that it started, bytes; 0 where it is gone. */
function memoryOf(pid: number): number {
  try {
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean),
    );
    return children.reduce((sum, child) => sum + memoryOf(Number(child)), resident);
  } catch {
    return 0;
  }
}

/** The most that each process took in the first and in the second half of a run's rounds, bytes. */
export interface Peaks {
  readonly coordinator: readonly [number, number];
  /** With the process that trains. */
  readonly owner: readonly [number, number];
  /** `federation serve` with its nats-server. */
  readonly server: readonly [number, number];
}

/** Runs so many rounds of adapters over 2 MB; the first quarter, until everything was used once, is not looked at. */
export async function peaksOf(net: Net, rounds: number): Promise<{ readonly peaks: Peaks; readonly update: number }> {
  const agent = net.agents.get(OWNERS[0]!)!;
  const settings = { num_rounds: rounds, lora_r: 128, lora_alpha: 128, local_steps: 1, method: 'fedavg' };
  const sets = Object.entries({ ...settings, also_local: false, finetune_steps: 0 });
  const coordinator = net.program([
    ...net.runArgs('long'),
    ...sets.flatMap(([key, value]) => ['--set', `${key}=${value}`]),
  ]);
  const pids = { coordinator: coordinator.child.pid!, owner: agent.child.pid!, server: net.server.child.pid! };
  const peaks = { coordinator: [0, 0], owner: [0, 0], server: [0, 0] } as { [K in keyof Peaks]: [number, number] };
  const gone = ended(coordinator.child);
  const before = agent.said.length;
  for (let isOver = false; !isOver; ) {
    isOver = (await Promise.race([gone, sleep(50)])) !== undefined;
    const round = Number(/.*training, round (\d+)/s.exec(agent.said.slice(before))?.[1] ?? 0);
    if (round <= rounds / 4 || isOver) continue;
    const half = round <= (5 * rounds) / 8 ? 0 : 1;
    for (const name of Object.keys(pids) as (keyof Peaks)[]) {
      peaks[name][half] = Math.max(peaks[name][half], memoryOf(pids[name]));
    }
  }
  expect((await gone).code, coordinator.said).toBe(0);
  const { traffic } = JSON.parse(readFileSync(join(net.cwd, 'long/metrics.json'), 'utf8'));
  return { peaks, update: traffic.bytes_up / rounds / OWNERS.length };
}
