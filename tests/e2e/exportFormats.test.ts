import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, makeLayout } from '../../src/adapter/layout.js';
import { trainerModules } from '../../src/adapter/shapes.js';
import { runCli } from '../../src/cli/program.js';
import { readGgufAdapter } from '../../src/export/index.js';
import { type BaseModel, loadModel } from '../../src/model/index.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { openRun } from '../../src/run/openRun.js';
import { ggufAsHf } from '../support/ggufAsHf.js';
import { TINY_RUN } from '../support/tinyRun.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fedtune-formats-'));
const run = join(dir, 'run');
const folder = join(dir, 'base');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function exported(...args: string[]) {
  const texts = { stdout: '', stderr: '' };
  const screen = (name: keyof typeof texts) => ({
    write: (text: string) => {
      texts[name] += text;
    },
  });
  const { signal } = new AbortController();
  const code = await runCli(['export', run, ...args], { stdout: screen('stdout'), stderr: screen('stderr'), signal });
  return { code, ...texts };
}

const TOKENS = Int32Array.from({ length: 60 }, (_, i) => (7 * i) % 200);

/** NLL of every token, in float32. */
function losses({ description }: BaseModel, adapter?: Adapter): number[] {
  using base = new Base({ description, precision: 'f32' });
  using trainer = new Trainer({ base, modules: trainerModules(adapter?.layout ?? makeLayout([])) });
  if (adapter) trainer.setValues(adapter.values);
  const batch = { tokens: TOKENS, lossMask: new Uint8Array(60).fill(1), lengths: Int32Array.of(60) };
  return [...trainer.evaluate(batch, { all: true, adapter: adapter !== undefined }).nll];
}

const farthest = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe('an adapter of a run', () => {
  let owner: string;
  beforeAll(async () => {
    const flags = Object.entries({ ...TINY_RUN, learning_rate: 0.03, num_clients: undefined })
      .filter(([, value]) => value !== undefined)
      .flatMap(([key, value]) => ['--set', `${key}=${Array.isArray(value) ? `[${value}]` : value}`]);
    execFileSync(process.execPath, [main, 'run', ...flags, '--output-dir', run], { stdio: 'ignore' });
    const { model, clients } = await openRun(run);
    owner = clients[0]!;
    await ggufAsHf(model, folder);
    writeFileSync(join(folder, 'LICENSE'), 'be kind');
    writeFileSync(join(folder, 'notes.txt'), 'private');
  });

  it('is merged into the Hugging Face folder of its GGUF base: same losses, same files, a card', async () => {
    const out = join(dir, 'merged');
    const args = ['--client', owner, '--format', 'merged-hf', '--out', out];
    expect(await exported(...args, '--base', folder)).toEqual({ code: 0, stdout: `${out}\n`, stderr: '' });
    const files = ['LICENSE', 'README.md', 'config.json', 'model.safetensors', 'tokenizer.json'];
    expect(readdirSync(out).sort()).toEqual(files);
    const { model, readAdapter } = await openRun(run);
    const [bare, adapted] = [losses(model), losses(model, await readAdapter(owner))];
    const merged = losses(await loadModel(out));
    expect(farthest(bare, adapted)).toBeGreaterThan(0.05);
    expect(farthest(merged, adapted)).toBeLessThan(1e-4);
    expect(farthest(losses(await loadModel(folder)), bare)).toBeLessThan(1e-4);
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toContain('library_name: transformers');
    expect(card).toContain('AutoModelForCausalLM.from_pretrained("this folder")');
    expect(card).not.toContain(dir);
  });

  it('is not merged into a folder that is not there, nor over the base', async () => {
    const args = ['--client', owner, '--format', 'merged-hf', '--out'];
    const without = await exported(...args, join(dir, 'nothing'));
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('--base hf:owner/repo') });
    const before = readFileSync(join(folder, 'model.safetensors'));
    const over = await exported(...args, folder, '--base', folder);
    expect(over).toMatchObject({ code: 1, stderr: expect.stringContaining('another folder than that of the base') });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(before)).toBe(true);
  });

  it('becomes a Modelfile for Ollama, with base, adapter and the template that was trained', async () => {
    const out = join(dir, 'ollama');
    const { code, stdout } = await exported('--client', owner, '--format', 'ollama', '--out', out);
    expect([code, stdout]).toEqual([0, `${join(out, 'Modelfile')}\n`]);
    const { model, readAdapter } = await openRun(run);
    expect(readFileSync(join(out, 'Modelfile'), 'utf8')).toBe(
      'FROM ./base.gguf\nADAPTER ./adapter.gguf\nTEMPLATE """### Instruction\n' +
        '{{ if .System }}{{ .System }}\n{{ end }}{{ .Prompt }}\n### Response\n{{ .Response }}"""\n',
    );
    expect(realpathSync(join(out, 'base.gguf'))).toBe(realpathSync(model.path));
    const written = await readGgufAdapter(join(out, 'adapter.gguf'), model);
    expect(written.values).toEqual((await readAdapter(owner)).values);
    await exported(
      '--client',
      owner,
      '--format',
      'ollama',
      '--out',
      join(dir, 'named'),
      '--base-model',
      'smollm2:135m',
    );
    expect(readFileSync(join(dir, 'named/Modelfile'), 'utf8')).toMatch(/^FROM smollm2:135m\n/);
    expect(existsSync(join(dir, 'named/base.gguf'))).toBe(false);
  });

  it('goes out with all others in every format', async () => {
    const { clients } = await openRun(run);
    for (const [format, file] of [
      ['merged-hf', 'model.safetensors'],
      ['ollama', 'Modelfile'],
      ['merged', 'model.gguf'],
    ] as const) {
      const out = join(dir, 'all', format);
      const base = format === 'merged-hf' ? ['--base', folder] : [];
      expect(await exported('--all', '--format', format, '--out', out, ...base)).toMatchObject({ code: 0 });
      expect(readdirSync(out)).toHaveLength(clients.length + 1);
      for (const name of readdirSync(out)) expect(existsSync(join(out, name, file)), name).toBe(true);
    }
  });
});
