import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { glob } from 'tinyglobby';
import { DataError } from '../errors.js';
import { openSnapshot, parseHubSpec } from '../model/hub/index.js';
import { DATA_EXTENSIONS } from './rows/index.js';
import type { ReadOptions, Split } from './types.js';

/** A data file and what its place says about its rows. */
export interface DataFile {
  /** Absolute. */
  readonly path: string;
  /** Relative to the folder of the data, with forward slashes: the first half of the ids. */
  readonly label: string;
  readonly owner?: string;
  readonly split?: Split;
}

/** `datasets/` of this package, from src/data as from dist/data. */
const DATASETS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'datasets');

/** Order of people, not of code units: `part_2` before `part_10`. Equal on every machine. */
export function naturalCompare(a: string, b: string): number {
  const left = a.split(/(\d+)/);
  const right = b.split(/(\d+)/);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    const difference = i % 2 === 1 ? Number(x) - Number(y) : 0;
    if (difference !== 0) return difference;
    if (x !== y) return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

const isData = (name: string) => DATA_EXTENSIONS.includes(extname(name).toLowerCase()) && !name.startsWith('.');
const stem = (path: string) => basename(path, extname(path));

/** `train`, `validation-00000-of-00001`, `global_test`, ...: a split, and no owner. */
function splitOf(name: string): Split | undefined {
  const word = /^(?:global_)?(train|training|valid|validation|val|dev|test|testing)(?:-\d+-of-\d+)?$/i.exec(name)?.[1];
  if (word === undefined) return undefined;
  if (/^train/i.test(word)) return 'train';
  return /^test/i.test(word) ? 'test' : 'valid';
}

/**
 * What the name of a file says: a split; else, where there are several files, whose it is. The files of a client's own
 * folder are the client's.
 */
function dataFile(base: string, path: string, several: boolean): DataFile {
  const label = relative(base, path).split(sep).join('/');
  const folder = label.includes('/') ? label.slice(0, label.indexOf('/')) : undefined;
  const split = splitOf(stem(path));
  const owner = folder ?? (several && split === undefined ? stem(path) : undefined);
  return { path, label, ...(owner === undefined ? {} : { owner }), ...(split === undefined ? {} : { split }) };
}

function toFiles(base: string, paths: readonly string[]): DataFile[] {
  const sorted = [...paths].sort((a, b) => naturalCompare(relative(base, a), relative(base, b)));
  return sorted.map((path) => dataFile(base, path, paths.length > 1));
}

async function folderFiles(folder: string): Promise<DataFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const own = entries
    .filter((entry) => !entry.isDirectory() && isData(entry.name))
    .map(({ name }) => join(folder, name));
  const below: string[] = [];
  for (const entry of entries.filter((item) => item.isDirectory() && !item.name.startsWith('.'))) {
    const inside = await readdir(join(folder, entry.name), { withFileTypes: true });
    const files = inside.filter((item) => !item.isDirectory() && isData(item.name));
    for (const { name } of files) below.push(join(folder, entry.name, name));
  }
  return toFiles(folder, [...own, ...below]);
}

/** The longest folder that all paths lie in. */
function commonFolder(paths: readonly string[]): string {
  let base = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(base === sep ? base : base + sep))) base = dirname(base);
  return base;
}

async function globFiles(pattern: string): Promise<DataFile[]> {
  const found = await glob(pattern.replaceAll('\\', '/'), { absolute: true, onlyFiles: true });
  const paths = found.map((path) => resolve(path)).filter((path) => isData(basename(path)));
  return paths.length === 0 ? [] : toFiles(commonFolder(paths), paths);
}

/** Formats in which repositories hold their rows, best first; the first one that is there is taken. */
const HUB_EXTENSIONS = ['.parquet', '.jsonl', '.json', '.csv'];

async function hubFiles(spec: string, options: ReadOptions): Promise<DataFile[]> {
  const parsed = parseHubSpec(spec, 'dataset', options.revision);
  const snapshot = await openSnapshot(parsed, options);
  if (parsed.file !== undefined) {
    return [dataFile(dirname(await snapshot.fetchFile(parsed.file)), join(snapshot.folder, parsed.file), false)];
  }
  const rows = snapshot.files.filter((file) => !/(^|\/)(\.|dataset_infos\.json|README)/.test(file));
  const extension = HUB_EXTENSIONS.find((candidate) => rows.some((file) => file.endsWith(candidate)));
  const wanted = rows.filter((file) => extension !== undefined && file.endsWith(extension)).sort(naturalCompare);
  const files: DataFile[] = [];
  for (const file of wanted) {
    const path = await snapshot.fetchFile(file);
    const split = splitOf(stem(file));
    // Folders of a hub data set are configurations, not owners.
    files.push({ path, label: file, ...(split === undefined ? {} : { split }) });
  }
  return files;
}

/**
 * The files that a data set consists of, in natural order. `spec` is a file, a glob, a folder (one file or one
 * sub-folder a client), `hf:owner/name[@revision][/file]`, or `embedded`.
 *
 * Throws DataError DATA_NOT_FOUND and those of the hub.
 */
export async function resolveDataFiles(spec: string, options: ReadOptions = {}): Promise<DataFile[]> {
  let files: DataFile[];
  if (spec.startsWith('hf:')) files = await hubFiles(spec, options);
  else {
    const path = spec === 'embedded' ? join(options.datasetsDir ?? DATASETS, 'owners') : resolve(spec);
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) files = await folderFiles(path);
    else if (found !== undefined) files = [dataFile(dirname(path), path, false)];
    else files = await globFiles(spec);
  }
  if (files.length > 0) return files;
  throw new DataError(
    'DATA_NOT_FOUND',
    `Expected a file, a glob, a folder, hf:owner/name or "embedded" for the data but found no ` +
      `${DATA_EXTENSIONS.join(', ')} file at "${spec}".`,
  );
}
