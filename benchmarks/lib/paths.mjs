import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const BENCHMARKS = dirname(dirname(fileURLToPath(import.meta.url)));

export const ROOT = dirname(BENCHMARKS);

/** Generated models and cases; not in the repository. */
export const CACHE = join(BENCHMARKS, '.cache');
export const RESULTS = join(BENCHMARKS, 'results');
export const PEERS = join(BENCHMARKS, 'peers');
mkdirSync(CACHE, { recursive: true });

/** Imports a module of the built library, e.g. `model/index.js`. */
export async function library(path) {
  const file = join(ROOT, 'dist', path);
  if (!existsSync(file)) throw new Error(`Expected ${file}; run "npm run build" first.`);
  return import(pathToFileURL(file).href);
}
