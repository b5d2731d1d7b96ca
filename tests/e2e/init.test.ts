import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { configJsonSchema } from '../../src/config/dump.js';
import { loadConfig } from '../../src/config/load.js';
import { parseConfig } from '../../src/config/parse.js';
import { CONFIG_KEYS, runConfigSchema } from '../../src/config/schema.js';
import { METHODS } from '../../src/methods/index.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const hasScript = spawnSync('script', ['--version']).status === 0;

describe.skipIf(!existsSync(MAIN))('fedtune init (needs npm run build:ts)', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), 'fedtune-init-')));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));
  const fedtune = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, ...args], { cwd: dir });

  it('writes what runs at once, with the meaning of every key and the schema for editors', async () => {
    const { stdout } = await fedtune('init', 'a.yaml', '--yes', '--num-rounds', '1', '--set', 'eval_every=0');
    expect(stdout).toContain('fedtune run a.yaml');
    const text = await readFile(join(dir, 'a.yaml'), 'utf8');
    const { num_rounds, eval_every, learning_rate, output_dir } = await loadConfig({ file: join(dir, 'a.yaml') });
    expect({ num_rounds, eval_every, learning_rate }).toEqual({ num_rounds: 1, eval_every: 0, learning_rate: 3e-3 });
    for (const key of Object.keys(parse(text)) as (keyof typeof runConfigSchema.shape)[])
      expect(text).toContain(`\n# ${runConfigSchema.shape[key].description}\n${key}: `);
    const schema = /^# yaml-language-server: \$schema=(.*)$/m.exec(text)![1]!;
    expect(JSON.parse(await readFile(resolve(dir, schema), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(configJsonSchema())),
    );
    await fedtune('run', 'a.yaml');
    expect(existsSync(join(dir, output_dir, 'metrics.json'))).toBe(true);
  });

  it('takes flags, and the defaults of any base but the embedded one', async () => {
    const flags = ['--data', 'owners/*.jsonl', '--model', 'base.gguf', '--method', 'perfit', '--lora-r', '4'];
    await fedtune('init', 'b.yaml', '--yes', ...flags);
    const config = await loadConfig({ file: join(dir, 'b.yaml') });
    const set = { data: 'owners/*.jsonl', model: 'base.gguf', method: 'perfit', lora_r: 4, output_dir: 'runs/mine' };
    expect(config).toEqual(parseConfig(set));
  });

  it('replaces no file unasked, and writes none that cannot run', async () => {
    await writeFile(join(dir, 'c.yaml'), 'mine');
    await expect(fedtune('init', 'c.yaml', '--yes')).rejects.toThrow('c.yaml is there already');
    expect(await readFile(join(dir, 'c.yaml'), 'utf8')).toBe('mine');
    await fedtune('init', 'c.yaml', '--yes', '--overwrite');
    expect(await readFile(join(dir, 'c.yaml'), 'utf8')).toContain('method: fedavg');
    await expect(fedtune('init', 'd.yaml', '--yes', '--method', 'perfitt')).rejects.toThrow('perfit');
    expect(existsSync(join(dir, 'd.yaml'))).toBe(false);
  });

  it('makes the folder of the file, and quotes what is to be copied', async () => {
    const { stdout } = await fedtune('init', 'new one/ü.yaml', '--yes');
    expect(stdout).toContain("fedtune run 'new one/ü.yaml'");
    const text = await readFile(join(dir, 'new one/ü.yaml'), 'utf8');
    const schema = /^# yaml-language-server: \$schema=(.*)$/m.exec(text)![1]!;
    expect(existsSync(resolve(dir, 'new one', schema))).toBe(true);
  });

  it.skipIf(!hasScript)('asks on a terminal (script)', { timeout: 60_000 }, async () => {
    const command = `stty cols 100 rows 40; ${process.execPath} ${MAIN} init e.yaml --model embedded`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: dir,
      env: { ...process.env, TERM: 'xterm-256color' },
    });
    let seen = '';
    child.stdout.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
    });
    const answer = async (question: string, keys: string) => {
      await vi.waitFor(() => expect(seen).toContain(question), { timeout: 20_000 });
      seen = '';
      child.stdin.write(keys);
    };
    await answer('Data:', 'mine/*.jsonl\r');
    await answer('How the data is divided', '\r');
    // One further down than the first.
    await answer('Method', '\u001b[B\r');
    await answer('Rounds', 'many\r');
    await answer('nvalid', '\u007f\u007f\u007f\u007f3\r');
    await answer('Folder of the run', '\r');
    await new Promise((done) => child.on('close', done));
    const config = await loadConfig({ file: join(dir, 'e.yaml') });
    const { method, num_rounds, data, partition } = config;
    expect({ num_rounds, data, partition }).toEqual({ num_rounds: 3, data: 'mine/*.jsonl', partition: 'natural' });
    expect(method).toBe(METHODS[METHODS.indexOf('fedavg') + 1]);
  });

  it('knows a description of every key', () => {
    for (const key of CONFIG_KEYS) expect(runConfigSchema.shape[key].description, key).toBeTruthy();
  });
});
