import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = existsSync(join(root, 'dist/index.js'));
const execute = promisify(execFile);
/** A loaded machine takes minutes where a quiet one takes seconds. */
const PATIENCE = 400_000;

/** The TypeScript of a page, block by block. */
function blocksOf(page: string): { name: string; code: string }[] {
  const text = readFileSync(join(root, page), 'utf8');
  const stem = page.replace(/\W+/g, '-');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code], i) => ({
    name: `${stem}-${i + 1}`,
    code: code!,
  }));
}

const pages = ['README.md', 'docs/library.md'];
const blocks = pages.flatMap(blocksOf);

// A project of a user beside this one: the package by its name, compiled by tsc, run by node.
describe.skipIf(!built)('TypeScript in README.md and docs/library.md (needs npm run build:ts)', () => {
  const project = mkdtempSync(join(tmpdir(), 'fedtune-user-'));

  beforeAll(async () => {
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(root, join(project, 'node_modules/fedtune'), 'junction');
    symlinkSync(join(root, 'node_modules/@types'), join(project, 'node_modules/@types'), 'junction');
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', type: 'module' }));
    const compilerOptions = {
      target: 'ES2023',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
      types: ['node'],
      strict: true,
      noEmitOnError: true,
      outDir: 'out',
      rootDir: '.',
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    for (const { name, code } of blocks) writeFileSync(join(project, `${name}.ts`), code);
    const tsc = execute(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
    await tsc.catch(({ stdout }) => expect.fail(`a snippet does not compile:\n${stdout}`));
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('finds snippets on every page', () => {
    for (const page of pages) expect(blocksOf(page).length, page).toBeGreaterThan(0);
  });

  it.each(blocks.map(({ name }) => name))(
    '%s runs',
    async (name) => {
      const { stdout, stderr } = await execute(process.execPath, [join(project, 'out', `${name}.js`)], {
        cwd: project,
      });
      expect(stderr).toBe('');
      expect(stdout).not.toMatch(/NaN|undefined/);
    },
    PATIENCE,
  );

  it('leaves what the pages say it leaves', () => {
    for (const path of ['adapters/mine/adapter_model.safetensors', 'adapters/castle-street-keys.gguf', 'merged.gguf']) {
      expect(existsSync(join(project, path)), path).toBe(true);
    }
  });
});
