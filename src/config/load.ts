import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { ConfigError } from '../errors.js';
import { parseConfig, requireKey } from './parse.js';
import { type ConfigKey, type RunConfig, runConfigSchema } from './schema.js';

/** Throws ConfigError where the file is missing or is no YAML. JSON is YAML too. */
export async function readRunFile(path: string): Promise<Record<string, unknown>> {
  if (/\.(jsonl|ndjson|csv|tsv|parquet|arrow|txt)$/i.test(path)) {
    throw new ConfigError(
      `Expected a run file (YAML) but received ${path}, which is data. Say --data ${path}, with quotes around a glob pattern.`,
    );
  }
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const why =
      (cause as NodeJS.ErrnoException).code === 'ENOENT'
        ? `there is none; \`fedtune init ${path}\` writes one`
        : `it cannot be read: ${(cause as Error).message}`;
    throw new ConfigError(`Expected a run file at ${path} but ${why}.`, { cause });
  }
  return parseRunFile(text, path);
}

/** The keys of a run file given as text. */
export function parseRunFile(text: string, path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parse(text);
  } catch (cause) {
    throw new ConfigError(`${path} is not valid YAML: ${(cause as Error).message}`, { cause });
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new ConfigError(`Expected ${path} to be a table of keys and values.`);
  }
  for (const key of Object.keys(content)) requireKey(key, path);
  return content as Record<string, unknown>;
}

/**
 * The value of a key written as text on the command line: read as YAML where that gives something that the key takes and
 * that is no text (`3`, `true`, `[a, b]`, `null`); else the text as it stands, where the key takes texts.
 */
export function valueFromText(key: ConfigKey, text: string): unknown {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return text;
  }
  const takes = (candidate: unknown): boolean => runConfigSchema.shape[key].safeParse(candidate).success;
  return takes(text) && (typeof value === 'string' || !takes(value)) ? text : value;
}

/** `key=value` of `--set`. Throws ConfigError. */
export function parseAssignment(assignment: string): [ConfigKey, unknown] {
  const at = assignment.indexOf('=');
  if (at < 1) throw new ConfigError(`Expected --set key=value but received "${assignment}".`);
  const key = requireKey(assignment.slice(0, at).trim().replaceAll('-', '_'), '--set');
  return [key, valueFromText(key, assignment.slice(at + 1))];
}

/** A run file (if any) with the overrides on top, complete and checked. */
export async function loadConfig(params: {
  readonly file?: string | undefined;
  readonly overrides?: Readonly<Record<string, unknown>>;
}): Promise<RunConfig> {
  const base = params.file === undefined ? {} : await readRunFile(params.file);
  return parseConfig({ ...base, ...params.overrides }, params.file ?? 'the configuration');
}
