import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';

const TIME = '2026-01-02T03:04:05.678Z';

/** Lines of events.jsonl. */
export const eventLines = (...events: readonly object[]): string =>
  events.map((event) => `${JSON.stringify({ time: TIME, ...event })}\n`).join('');

/** A folder with these files (by path, text) and a config.yaml with these settings; gone with the test. */
export async function runFolder(
  files: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-run-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ 'config.yaml': stringify(settings), ...files })) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return dir;
}
