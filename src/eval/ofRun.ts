import { readFile } from 'node:fs/promises';
import { RunError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { runFile } from '../run/content.js';
import { openRun } from '../run/openRun.js';
import { sha256 } from '../sha256.js';
import { evaluate } from './evaluate.js';
import type { EvalReport } from './results.js';
import { parseAdapterSpec, readSubjects } from './subjects.js';

/** What evaluation.json holds: scores that were asked for after a run, of the adapters that it left. */
export interface RunEvaluation extends Pick<EvalReport, 'data' | 'text'> {
  /** Of metrics.json, beside which the scores belong. */
  readonly metrics_sha256: string;
}

export interface RunEvalOptions {
  /** Score everybody's adapter on everybody's test examples: where owners keep their rows on other machines, nobody can. @default false */
  readonly cross?: boolean | undefined;
  /** Score every adapter on these texts. */
  readonly texts?: readonly string[] | undefined;
  /** At most this many test examples of each owner. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number, subject: string) => void) | undefined;
}

async function readBefore(path: string, digest: string): Promise<Partial<RunEvaluation>> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return {};
  const before = JSON.parse(text) as RunEvaluation;
  return before.metrics_sha256 === digest ? before : {};
}

/**
 * Scores the base and all adapters of a finished run for its report, and writes evaluation.json into the run folder; what it held of this
 * run and is not asked for now stays. Throws RunError NOT_FINISHED, NO_ROWS; what `evaluate` throws.
 */
export async function evaluateRun(dir: string, options: RunEvalOptions): Promise<void> {
  const { cross, texts, limit, signal, onProgress } = options;
  const run = await openRun(dir);
  const metrics = await readFile(runFile(dir, 'metrics.json'), 'utf8').catch((cause: unknown) => {
    throw new RunError('NOT_FINISHED', `Expected a finished run but ${dir} has no scores yet.`, { cause });
  });
  const adapters = await readSubjects([await parseAdapterSpec(dir)], new Map([[dir, run]]), run.model);
  const named = adapters.map(({ name, adapter }) => ({ name: name.slice(dir.length + 1), adapter }));
  const { report } = await evaluate({
    model: run.model,
    subjects: [{ name: 'base', adapter: null }, ...named],
    config: { ...run.config, data: dir },
    data: cross ? { split: 'test', limit } : undefined,
    text: texts && { paths: texts },
    ...{ signal, onProgress },
  });
  const path = runFile(dir, 'evaluation.json');
  const digest = sha256(metrics);
  const { data, text } = report;
  const made: RunEvaluation = {
    ...(await readBefore(path, digest)),
    ...(data && { data }),
    ...(text && { text }),
    metrics_sha256: digest,
  };
  await writeAtomic(path, `${JSON.stringify(made)}\n`, { temporary: `${path}.${process.pid}.tmp` });
}
