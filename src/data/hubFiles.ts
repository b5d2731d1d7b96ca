import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parse } from 'yaml';
import { DataError } from '../errors.js';
import { type HubSpec, openSnapshot, parseHubSpec, type Snapshot } from '../model/hub/index.js';
import { naturalCompare } from '../order.js';
import type { DataFile } from './files.js';
import { isData, placesOf } from './places.js';
import { PACKED_EXTENSIONS } from './rows/bytes.js';
import { dataExtension } from './rows/index.js';
import { splitOf } from './splits.js';
import type { ReadOptions, Split } from './types.js';

/** Formats in which repositories hold their rows, best first; the first one that is there is taken, packed or not. */
const BEST_FIRST = ['.parquet', '.jsonl', '.ndjson', '.json', '.csv', '.tsv', '.arrow', '.txt'];

interface HubFile {
  readonly path: string;
  readonly config: string;
  /** The split that the card says; else its place does. */
  readonly split?: Split;
}

function ofBestKind<T extends { readonly path: string }>(files: readonly T[]): T[] {
  const kinds = BEST_FIRST.flatMap((kind) => ['', ...PACKED_EXTENSIONS].map((packed) => kind + packed));
  const best = kinds.find((kind) => files.some(({ path }) => dataExtension(path) === kind));
  return files.filter(({ path }) => dataExtension(path) === best);
}

/** `data/main-*.parquet` as a regular expression: `*` stays in its folder, `**` does not. */
function globPattern(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/?|\*|\?)/).map((part) => {
    if (part.startsWith('**')) return '(?:.*/)?';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}

interface CardConfig {
  readonly config_name?: unknown;
  readonly default?: unknown;
  readonly data_files?: unknown;
}

/** The configurations that the card of a data set declares, with their files; undefined where it declares none. */
function declaredConfigs(card: string, rows: readonly string[]): { files: HubFile[]; preferred?: string } | undefined {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1];
  if (front === undefined) return undefined;
  let meta: { configs?: unknown } | null;
  try {
    meta = parse(front);
  } catch {
    // A card that cannot be read says nothing.
    return undefined;
  }
  if (!Array.isArray(meta?.configs)) return undefined;
  const configs = meta.configs as CardConfig[];
  const files = configs.flatMap(({ config_name, data_files }) => {
    const entries = (Array.isArray(data_files) ? data_files : [data_files]) as unknown[];
    return entries.flatMap((entry) => filesOfEntry(String(config_name ?? 'default'), entry, rows));
  });
  const preferred = configs.find((config) => config?.default === true)?.config_name;
  return files.length === 0 ? undefined : { files, ...(typeof preferred === 'string' ? { preferred } : {}) };
}

function filesOfEntry(config: string, entry: unknown, rows: readonly string[]): HubFile[] {
  const { split, path } =
    typeof entry === 'object' && entry !== null ? (entry as { split?: unknown; path?: unknown }) : { path: entry };
  const patterns = (Array.isArray(path) ? path : [path]).filter((glob): glob is string => typeof glob === 'string');
  const wanted = rows.filter((row) => patterns.some((glob) => globPattern(glob).test(row)));
  const told = typeof split === 'string' ? splitOf(split) : undefined;
  return wanted.map((row) => ({ path: row, config, ...(told === undefined ? {} : { split: told }) }));
}

/** Folders of a hub data set are configurations, but for those of its splits and a `data/` around everything. */
function configOf(path: string): string {
  const folders = path.split('/').slice(0, -1);
  return folders.find((name, i) => splitOf(name) === undefined && !(i === 0 && name === 'data')) ?? 'default';
}

function chosen(
  files: readonly HubFile[],
  wanted: string | undefined,
  preferred: string | undefined,
  name: string,
): readonly HubFile[] {
  const configs = [...new Set(files.map(({ config }) => config))].sort(naturalCompare);
  const choice = wanted ?? preferred ?? (configs.length === 1 ? configs[0] : undefined);
  const found = files.filter(({ config, path }) => config === choice || path.startsWith(`${choice}/`));
  if (choice !== undefined && found.length > 0) return found;
  const listed = `${configs.slice(0, 20).join(', ')}${configs.length > 20 ? ', \u2026' : ''}`;
  if (files.length === 0) return [];
  throw wanted === undefined
    ? new DataError(
        'AMBIGUOUS_CONFIG',
        `hf:${name} holds ${configs.length} configurations: ${listed}. Name the one that you mean: hf:${name}/${configs[0]}.`,
      )
    : new DataError(
        'UNKNOWN_CONFIG',
        `Expected a file or a configuration of hf:${name} (${listed}) but received "${wanted}".`,
      );
}

/**
 * The files of a data set on the hub, downloaded: one configuration of it, by the data set's card or by its folders.
 * `hf:owner/name/x` means the file x, or the configuration x.
 *
 * Throws DataError AMBIGUOUS_CONFIG, UNKNOWN_CONFIG and those of the hub.
 */
export async function hubFiles(spec: string, options: ReadOptions): Promise<DataFile[]> {
  const parsed = parseHubSpec(spec, 'dataset', options.revision);
  const snapshot = await openSnapshot(parsed, options);
  if (snapshot.warning !== undefined) options.reportWarning?.(snapshot.warning);
  const named = parsed.file !== undefined && snapshot.files.includes(parsed.file) ? parsed.file : undefined;
  const files = named === undefined ? await configFiles(snapshot, parsed) : [{ path: named }];
  const places = placesOf(files.map(({ path }) => path));
  const result: DataFile[] = [];
  for (const [i, { path, split = places[i]!.split }] of files.entries()) {
    result.push({ path: await snapshot.fetchFile(path), label: path, ...(split === undefined ? {} : { split }) });
  }
  return result;
}

/** The files of the one configuration that is meant. */
async function configFiles(snapshot: Snapshot, { file, name }: HubSpec): Promise<readonly Omit<HubFile, 'config'>[]> {
  const isHidden = (path: string): boolean => path.split('/').some((part) => part.startsWith('.'));
  const rows = snapshot.files.filter((path) => isData(basename(path)) && !isHidden(path)).sort(naturalCompare);
  // A card that cannot be had (offline, with only the rows in the cache) is no reason to stop.
  const card = snapshot.files.includes('README.md')
    ? await snapshot
        .fetchFile('README.md')
        .then((path) => readFile(path, 'utf8'))
        .catch(() => '')
    : '';
  const declared = declaredConfigs(card, rows);
  const placed = () => ofBestKind(rows.map((path) => ({ path, config: configOf(path) })));
  return ofBestKind(chosen(declared?.files ?? placed(), file, declared?.preferred, name));
}
