import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { glob } from 'tinyglobby';
import { DataError } from '../errors.js';
import { naturalCompare } from '../order.js';
import { hubFiles } from './hubFiles.js';
import { isData, placesOf, stemOf } from './places.js';
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
  /** Which of several data sets it is of. */
  readonly domain?: string;
}

/** `datasets/` of this package, from src/data as from dist/data. */
const DATASETS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'datasets');

/** Folders below the data's that are looked into. */
const MAX_DEPTH = 4;

function toFiles(base: string, paths: readonly string[]): DataFile[] {
  const labelled = paths.map((path) => ({ path, label: relative(base, path).split(sep).join('/') }));
  labelled.sort((a, b) => naturalCompare(a.label, b.label));
  const places = placesOf(labelled.map(({ label }) => label));
  return labelled.map((file, i) => ({ ...file, ...places[i]! }));
}

async function dataPaths(folder: string, depth = 0): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    // What a link leads to is seen by its target.
    const isFolder = entry.isSymbolicLink()
      ? (await stat(path).catch(() => undefined))?.isDirectory()
      : entry.isDirectory();
    if (isFolder !== true) {
      if (isData(entry.name)) paths.push(path);
    } else if (!entry.name.startsWith('.') && depth < MAX_DEPTH) {
      for (const inner of await dataPaths(path, depth + 1)) paths.push(inner);
    }
  }
  return paths;
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

async function filesOf(spec: string, options: ReadOptions): Promise<DataFile[]> {
  if (spec.startsWith('hf:')) return hubFiles(spec, options);
  const path = spec === 'embedded' ? join(options.datasetsDir ?? DATASETS, 'owners') : resolve(spec);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return toFiles(path, await dataPaths(path));
  return found === undefined ? globFiles(spec) : toFiles(dirname(path), [path]);
}

function missing(spec: string): DataError {
  return new DataError(
    'DATA_NOT_FOUND',
    `Expected a file, a glob, a folder, hf:owner/name or "embedded" for the data but found no ` +
      `${DATA_EXTENSIONS.join(', ')} file at "${spec}".`,
  );
}

/** A name for each of several data sets: what its path ends in, with its number where two end alike. */
function domainNames(specs: readonly string[]): string[] {
  const names = specs.map((spec) => stemOf(spec.replace(/[/\\]+$/, '')) || spec);
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name}-${i + 1}`));
}

/** Whether every spec is one file of its own: then the list is a folder of files in other words. */
async function areFiles(specs: readonly string[]): Promise<boolean> {
  const found = await Promise.all(specs.map((spec) => stat(resolve(spec)).catch(() => undefined)));
  return found.every((entry) => entry?.isFile() === true);
}

/**
 * The files that a data set consists of, in natural order. `spec` is a file, a glob, a folder (one file or one
 * sub-folder a client), `hf:owner/name[@revision][/file or configuration]`, or `embedded`; or a list of those, each a
 * domain of its own. A list of files is like a folder with those files: each is an owner.
 *
 * Throws DataError DATA_NOT_FOUND and those of the hub.
 */
export async function resolveDataFiles(
  spec: string | readonly string[],
  options: ReadOptions = {},
): Promise<DataFile[]> {
  const specs = typeof spec === 'string' ? [spec] : spec;
  const domains = domainNames(specs);
  if (specs.length > 1 && (await areFiles(specs))) {
    const paths = [...new Set(specs.map((file) => resolve(file)))];
    const files = toFiles(commonFolder(paths), paths);
    return files.map((file) => ({ ...file, domain: domains[specs.findIndex((item) => resolve(item) === file.path)]! }));
  }
  const all: DataFile[] = [];
  for (const [i, one] of specs.entries()) {
    const files = await filesOf(one, options);
    if (files.length === 0) throw missing(one);
    for (const file of files) {
      // Ids are unique within one data set only.
      all.push(specs.length === 1 ? file : { ...file, label: `${i}/${file.label}`, domain: domains[i]! });
    }
  }
  if (all.length === 0) throw missing(specs.join(', '));
  return all;
}
