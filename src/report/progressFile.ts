import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from './jsonLines.js';
import type { RunStatus, StatusNow } from './status.js';

const NAME = 'progress.json';

const schema: z.ZodType<StatusNow> = z.object({
  where: z.string(),
  share: z.number(),
  facts: z.array(z.string()),
  atWork: z.array(z.object({ client: z.string(), steps: z.number(), of: z.number() })),
  scored: z.string().optional(),
  live: z.object({ text: z.string(), share: z.number(), round: z.string() }),
}) as z.ZodType<StatusNow>;

/** What a run is at, in its folder while it goes on, for who follows it from another process. Losing it costs nothing: it is not synced. */
export class ProgressFile {
  readonly #path: string;
  readonly #status: RunStatus;
  #written = '';

  constructor(dir: string, status: RunStatus) {
    this.#path = join(dir, NAME);
    this.#status = status;
  }

  /** Writes it anew where it has changed: who reads finds all of it. Throws what the file system throws. */
  write(): void {
    const text = JSON.stringify(this.#status.now);
    if (text === this.#written) return;
    writeFileSync(`${this.#path}.tmp`, text);
    renameSync(`${this.#path}.tmp`, this.#path);
    this.#written = text;
  }

  remove(): void {
    for (const path of [this.#path, `${this.#path}.tmp`]) rmSync(path, { force: true });
  }
}

/** What a run said last that it is at; undefined where it says nothing. Throws RunError DAMAGED. */
export async function readProgress(dir: string): Promise<StatusNow | undefined> {
  let text: string;
  try {
    text = await readFile(join(dir, NAME), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return readJson(NAME, text, schema);
}
