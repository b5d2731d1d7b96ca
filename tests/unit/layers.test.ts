import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = join(dirname(fileURLToPath(import.meta.url)), '../../src');

// What each folder may import, types too. Files right under src/ are for everybody. Of src/native, whoever runs without the
// addon takes types alone, which another test below sees to.
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  native: [],
  adapter: ['native'],
  merge: ['adapter'],
  mutation: ['adapter', 'merge'],
  methods: ['adapter', 'merge', 'mutation'],
  config: ['merge', 'methods', 'mutation'],
  contracts: ['adapter', 'config', 'data'],
  store: [],
  safetensors: [],
  model: ['native', 'safetensors'],
  data: ['config', 'model', 'native'],
  partition: ['config', 'contracts', 'data'],
  export: ['adapter', 'model', 'native', 'safetensors'],
  client: ['adapter', 'config', 'contracts', 'data', 'export', 'methods', 'model', 'native', 'partition', 'store'],
  links: ['adapter', 'client', 'config', 'contracts', 'methods', 'model', 'native', 'store'],
  server: ['adapter', 'config', 'contracts', 'links', 'merge', 'methods'],
  federation: ['config', 'contracts', 'data', 'export', 'links', 'methods', 'model'],
  report: ['adapter', 'config', 'contracts'],
  run: [
    ...[
      'adapter',
      'config',
      'contracts',
      'data',
      'export',
      'federation',
      'links',
      'merge',
      'methods',
      'model',
      'native',
      'partition',
    ],
    ...['report', 'server', 'store'],
  ],
  eval: ['adapter', 'client', 'config', 'data', 'export', 'model', 'native', 'run'],
  cli: [
    'adapter',
    'config',
    'contracts',
    'data',
    'eval',
    'export',
    'federation',
    'methods',
    'model',
    'native',
    'partition',
    'report',
    'run',
  ],
};

// These run, and are tested, where no addon was built.
const WITHOUT_ADDON = [
  'contracts',
  'report',
  'server',
  'partition',
  'adapter',
  'config',
  'data',
  'model',
  'client',
  'store',
];

interface Import {
  readonly file: string;
  readonly target: string;
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function imports(): Import[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.flatMap((file) => {
    const text = readFileSync(join(src, file), 'utf8');
    const found = [...text.matchAll(/(?:import|export)\s+(type\s+)?[^;]*?from\s+'(\.[^']+)'/g)];
    return found.map(([, type, path]) => {
      const target = relative(src, join(src, dirname(file), path!));
      return {
        file,
        target: target.replace(/\.js$/, '.ts'),
        from: file.includes('/') ? file.split('/')[0]! : '',
        to: target.includes('/') ? target.split('/')[0]! : '',
        typeOnly: type !== undefined,
      };
    });
  });
}

describe('imports point one way', () => {
  const all = imports().filter(({ from, to }) => from !== '' && to !== '' && from !== to);

  it('finds imports at all', () => {
    expect(all.length).toBeGreaterThan(100);
  });

  it('only into the folders below, for types as for what runs', () => {
    const wrong = all.filter(({ from, to }) => !MAY_IMPORT[from]?.includes(to));
    expect(wrong).toEqual([]);
  });

  it('has no circle of folders', () => {
    const edges = new Map<string, Set<string>>();
    for (const { from, to } of all) edges.set(from, (edges.get(from) ?? new Set()).add(to));
    const visit = (folder: string, path: readonly string[]): void => {
      expect(path, `circle: ${[...path, folder].join(' -> ')}`).not.toContain(folder);
      for (const next of edges.get(folder) ?? []) visit(next, [...path, folder]);
    };
    for (const folder of edges.keys()) visit(folder, []);
  });

  it('never reaches the addon from what runs without it', () => {
    const reaches = (folder: string, seen = new Set<string>()): Set<string> => {
      seen.add(folder);
      for (const { from, to, typeOnly } of all) if (from === folder && !typeOnly && !seen.has(to)) reaches(to, seen);
      return seen;
    };
    for (const folder of WITHOUT_ADDON) expect([...reaches(folder)], folder).not.toContain('native');
  });

  it('loads into a thread none of the readers of data files, which the server alone needs', () => {
    const edges = imports().filter(({ typeOnly }) => !typeOnly);
    const reached = new Set(['links/threadWorker.ts']);
    for (const file of reached) for (const edge of edges) if (edge.file === file) reached.add(edge.target);
    expect(reached).toContain('data/tokenize.ts');
    expect([...reached].filter((file) => file.startsWith('data/rows/'))).toEqual([]);
  });

  it('lets only src/native load a .node file', () => {
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const loading = files.filter((file) => readFileSync(join(src, file), 'utf8').includes('fedtune.node'));
    expect(loading).toEqual(['native/load.ts']);
  });
});
