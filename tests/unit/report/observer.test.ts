import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { makeReportObserver } from '../../../src/report/observer.js';
import { eventLines, runFolder } from './runFolder.js';

const observe = (dir: string, more: Partial<Parameters<typeof makeReportObserver>[0]> = {}) => {
  const warnings: string[] = [];
  return {
    warnings,
    observer: makeReportObserver({ dir, pause: 0, onWarning: (message) => warnings.push(message), ...more }),
  };
};

describe('the observer of a run', () => {
  it('writes the report after a checkpoint, now and then, and at the end', async () => {
    const dir = await runFolder({ 'events.jsonl': '' });
    const write = vi.fn(async () => {});
    const { observer } = observe(dir, { write, pause: 1e6 });
    await observer.afterCheckpoint();
    expect(write).not.toHaveBeenCalled();
    await observer.finish();
    expect(write).toHaveBeenCalledOnce();
    const eager = observe(dir).observer;
    await eager.afterCheckpoint();
    expect(await readFile(join(dir, 'report.html'), 'utf8')).toContain('<!doctype html>');
  });

  it.each<[string, (dir: string) => Promise<unknown>, string]>([
    ['events are damaged', (dir) => writeFile(join(dir, 'events.jsonl'), 'nonsense\n'), 'line 1 of events.jsonl'],
    ['the configuration is gone', (dir) => rm(join(dir, 'config.yaml')), 'config.yaml'],
    ['the page cannot be written', (dir) => mkdir(join(dir, 'report.html')), 'report.html'],
  ])('tells once, and goes on, where %s', async (_, damage, reason) => {
    const dir = await runFolder({ 'events.jsonl': eventLines() });
    await damage(dir);
    const { observer, warnings } = observe(dir);
    await observer.afterCheckpoint();
    await observer.finish();
    expect(warnings).toEqual([expect.stringMatching(/^Writing report\.html failed; the run goes on without\. /)]);
    expect(warnings[0]).toContain(reason);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new TypeError('broken');
      },
    ],
    [
      'rejects',
      async () => {
        throw new TypeError('broken');
      },
    ],
  ])('goes on where a display %s, told once', async (_, work) => {
    const { observer, warnings } = observe('nowhere');
    await observer.attempt('Showing progress', work);
    await observer.attempt('Showing progress', work);
    expect(warnings).toEqual(['Showing progress failed; the run goes on without. TypeError: broken']);
  });

  it('begins work at once, in order', () => {
    const seen: number[] = [];
    const { observer } = observe('nowhere');
    for (const i of [1, 2, 3]) void observer.attempt('Showing progress', () => seen.push(i));
    expect(seen).toEqual([1, 2, 3]);
  });

  it('warns through Node where the warning itself cannot be shown', async () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { observer } = observe('nowhere', {
      onWarning: () => {
        throw new Error('no screen');
      },
    });
    await observer.finish();
    expect(emit).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('Writing report.html failed'));
    emit.mockRestore();
  });
});
