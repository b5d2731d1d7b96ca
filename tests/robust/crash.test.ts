import { beforeAll, describe, expect, it } from 'vitest';
import { fedtune, outcomeOf, outcomeOfWholeRun, workFolder, writeRunFile } from './cli.js';

const SETTINGS = { method: 'fedavg', partition: 'iid', num_clients: 4, num_rounds: 3, min_clients: 4 };
/** Each worker thread dies before its seventh step: in its fourth job. */
const DIES = { exit: 'train:7' };

let outcome: Record<string, unknown>;

beforeAll(async () => {
  outcome = await outcomeOfWholeRun(SETTINGS);
});

const eventsOf = async (cwd: string, type: string) =>
  ((await outcomeOf(cwd)).events as Record<string, unknown>[]).filter((event) => event.type === type);

describe('a worker that dies', () => {
  it('is told of and replaced, its job done again, to the same bits', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { ...SETTINGS, retries: 1 });
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], DIES);
    expect(code, stderr).toBe(0);
    expect(stderr.match(/round \d: .* failed, trying again: /g)?.length).toBeGreaterThan(1);
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });

  it('is left out of the mean where it may not be tried again', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { ...SETTINGS, retries: 0, min_clients: 1 });
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], DIES);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('failed, going on without it: ');
    const failed = await eventsOf(cwd, 'client_failed');
    expect(failed.length).toBeGreaterThan(0);
    for (const { round, clients } of await eventsOf(cwd, 'round')) {
      const gone = failed.filter((event) => event.round === round).map(({ client }) => client);
      expect(clients).toHaveLength(4 - gone.length);
      for (const client of gone) expect(clients).not.toContain(client);
    }
  });

  it('stops a run that needs it, which goes on later to the same bits', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { ...SETTINGS, retries: 0 });
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml'], { exit: 'train:12' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^RunError: Expected at least 4 client\(s\) to complete round 2 but 3 did/m);
    const resumed = await fedtune(cwd, ['run', '--resume', 'run', '--retries', '1']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });
});
