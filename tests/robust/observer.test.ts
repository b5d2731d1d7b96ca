import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import type { RunProgress } from '../../src/contracts/progress.js';
import { TINY_RUN } from '../support/tinyRun.js';

/** The compiled package: its workers run only there. */
const { runFederation }: typeof import('../../src/index.js') = await import(
  new URL('../../dist/index.js', import.meta.url).href
);

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

async function runWith(onProgress: (progress: RunProgress, dir: string) => void) {
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-observer-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const config = parseConfig({ ...TINY_RUN, method: 'fedavg', num_rounds: 1, output_dir: join(dir, 'run') });
  const result = await runFederation({ config, onProgress: (progress) => onProgress(progress, config.output_dir) });
  return { result, names: await readdir(config.output_dir) };
}

it('a run whose report cannot be written ends well, and says so', async () => {
  const warnings: string[] = [];
  const { result, names } = await runWith(async (progress, dir) => {
    if (progress.kind === 'warning') warnings.push(progress.message);
    // What stands in the way of the page: a folder of its name.
    if (progress.kind === 'prepared') await mkdir(join(dir, 'report.html', 'in the way'), { recursive: true });
  });
  expect(result.metrics.rounds).toBe(1);
  expect(names).toEqual(expect.arrayContaining(['metrics.json', 'adapters']));
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(warnings).toEqual([expect.stringMatching(/^Writing report\.html failed; the run goes on without\. /)]);
});

it('a run whose display breaks ends well, and says so', async () => {
  const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => emit.mockRestore());
  const { names } = await runWith(() => {
    throw new Error('the screen is gone');
  });
  expect(names).toEqual(expect.arrayContaining(['metrics.json', 'adapters', 'report.html']));
  expect(emit).toHaveBeenCalledExactlyOnceWith(
    'Showing progress failed; the run goes on without. Error: the screen is gone',
  );
});

it.each(['stdout', 'stderr'] as const)('a run whose %s nobody reads any more ends well', async (name) => {
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-observer-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'run.yaml'), JSON.stringify({ ...TINY_RUN, method: 'fedavg', num_rounds: 2 }));
  const child = spawn(process.execPath, [MAIN, 'run', 'run.yaml', '--output-dir', 'run'], { cwd: dir });
  child[name].destroy();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  expect(await readdir(join(dir, 'run'))).toEqual(expect.arrayContaining(['metrics.json', 'adapters', 'report.html']));
});

it.skipIf(!existsSync('/dev/full'))('output that cannot be written is told of', async () => {
  const full = await open('/dev/full', 'w');
  onTestFinished(() => full.close());
  const child = spawn(process.execPath, [MAIN, 'keys'], { stdio: ['ignore', full.fd, 'pipe'] });
  let told = '';
  child.stderr!.on('data', (text) => {
    told += text;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(told).toMatch(/^Error: what was printed is not complete: ENOSPC/m);
});
