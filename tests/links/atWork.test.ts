import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { compiledLinks, describeAll, makeFederation, scoreRequest, trainRequest } from './owners.js';

const { createThreadsLink, createProcessesLink } = await compiledLinks();

for (const [runtime, create] of [
  ['threads', createThreadsLink],
  ['processes', createProcessesLink],
] as const) {
  it(`${runtime}: who trains is told with the steps that are done, and nobody else`, async () => {
    const federation = await makeFederation({ local_steps: 200 }, { owners: 2 });
    const { homes, model } = federation;
    const link = create({ homes, model, workers: 2, threads: 1 });
    onTestFinished(() => link.close());
    await describeAll(link, federation);
    const seen: { readonly owner: string; readonly steps: number }[][] = [];
    const during = async (work: Promise<unknown>) => {
      let isDone = false;
      const ended = work.finally(() => {
        isDone = true;
      });
      for (; !isDone; await sleep(20)) seen.push([...link.atWork!()]);
      await ended;
    };
    await during(Promise.all(homes.map(({ id }) => link.ask(id, trainRequest(federation, id)))));
    for (const { id } of homes) {
      const steps = seen.flat().flatMap((one) => (one.owner === id ? [one.steps] : []));
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      // Several between the first and the last: a bar that moves.
      expect(new Set(steps).size).toBeGreaterThan(2);
      expect(Math.max(...steps)).toBeLessThanOrEqual(200);
    }
    expect(link.atWork!()).toEqual([]);
    seen.length = 0;
    await during(link.ask(homes[0]!.id, scoreRequest(federation)));
    // The next round begins at its first step.
    expect(seen.flat()).toEqual([]);
    const again = link.ask(homes[0]!.id, trainRequest(federation, homes[0]!.id));
    await sleep(0);
    expect(link.atWork!()).toEqual([{ owner: homes[0]!.id, steps: 0 }]);
    await again;
  });
}
