import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { INT8_BYTES, KNOWN_MODELS } from '../../src/cli/models.js';
import { gradientError } from '../../src/cli/selfCheck.js';
import { Base, cpuInfo } from '../../src/native/engine.js';
import { makeTinyModel } from '../support/tinyModel.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const dir = mkdtempSync(join(tmpdir(), 'fedtune-begin-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function fedtune(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

describe.skipIf(!existsSync(main))('to begin with (needs npm run build:ts)', { timeout: 200_000 }, () => {
  it('doctor finds this machine well, and says so in JSON', () => {
    const { status, stdout } = fedtune(dir, ['doctor', '--json']);
    expect(status, stdout).toBe(0);
    const findings = JSON.parse(stdout) as { what: string; verdict: string }[];
    expect(findings.map(({ what }) => what)).toEqual([
      ...['system', 'processor', 'ggml', 'llama.cpp', 'gradient', 'kernels', 'nats-server', 'memory', 'disk'],
    ]);
    expect(findings.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
  });

  it('doctor says what is missing, looks at the rest, and fails', () => {
    const { status, stdout, stderr } = fedtune(dir, ['doctor'], { FEDTUNE_ADDON: join(dir, 'none.node') });
    expect(status).toBe(1);
    expect(stdout).toMatch(/^failed +gradient +The training engine is not there/m);
    expect(stdout).toMatch(/^ok +disk/m);
    expect(stderr).toContain('Not well: processor, ggml, gradient, kernels.');
  });

  it('the gradient is that of the loss with every kernel set', async () => {
    for (const set of cpuInfo().kernels) expect(await gradientError(set), set).toBeLessThan(0.02);
  });

  it('models are of architectures that there are, and need what the engine needs', async () => {
    const known = readFileSync(join(root, 'docs/models.md'), 'utf8');
    for (const { id, architecture } of KNOWN_MODELS) expect(known, id).toContain(`| \`${architecture}\``);
    const shape = { layers: 2, hidden: 256, heads: 4, kvHeads: 2, headDim: 64, ffn: 768, vocab: 2048, context: 64 };
    const description = makeTinyModel('llama', shape);
    using base = new Base({ description });
    const weights = description.tensors.reduce((sum, { ne }) => sum + ne.reduce((a, b) => a * b, 1), 0);
    expect(base.bytes / weights / INT8_BYTES).toBeGreaterThan(0.98);
    expect(base.bytes / weights / INT8_BYTES).toBeLessThan(1.03);
  });
});

// Paths in the configuration are relative to where the run was started.
describe.skipIf(!existsSync(main))('from another folder (needs npm run build:ts)', { timeout: 200_000 }, () => {
  const [home, elsewhere] = [join(dir, 'home'), join(dir, 'elsewhere')];
  mkdirSync(home);
  mkdirSync(elsewhere);
  copyFileSync(join(root, 'datasets/base/tiny.gguf'), join(home, 'tiny.gguf'));
  for (const owner of ['north', 'south']) {
    const rows = Array.from({ length: 12 }, (_, i) =>
      JSON.stringify({ instruction: `Ask ${owner} ${i}.`, output: `Say ${i}.` }),
    );
    writeFileSync(join(home, `${owner}.jsonl`), `${rows.join('\n')}\n`);
  }
  writeFileSync(
    join(home, 'prompt.json'),
    '{"prompt_input":"{instruction} {input}:","prompt_no_input":"{instruction}:"}',
  );
  const small = ['--local-steps', '1', '--batch-size', '2', '--lora-r', '2', '--eval-every', '0'];
  const where = ['--model', 'tiny.gguf', '--data', '*.jsonl', '--template', './prompt.json', '--output-dir', 'mine'];

  it('every command works on a run', () => {
    const begun = fedtune(home, ['run', ...where, ...small, '--num-rounds', '1']);
    expect(begun.status, begun.stderr).toBe(0);
    const run = join('..', 'home', 'mine');
    for (const args of [
      ['report', run],
      ['export', run, '--client', 'north', '--format', 'gguf', '--out', 'north'],
      ['eval', '--adapter', `${run}:north`, '--data', run],
      ['run', '--resume', run, '--num-rounds', '2', '--json'],
      ['eval', '--adapter', run, '--data', run],
    ]) {
      const { status, stderr } = fedtune(elsewhere, args);
      expect(status, `${args.join(' ')}: ${stderr}`).toBe(0);
    }
    // And back, with the run file's own words.
    const longer = fedtune(home, ['run', '--resume', 'mine', '--num-rounds', '3', '--json']);
    expect(longer.status, longer.stderr).toBe(0);
    const whole = fedtune(home, ['run', ...where.slice(0, -1), 'whole', ...small, '--num-rounds', '3', '--json']);
    const { timing: _a, ...resumed } = JSON.parse(longer.stdout);
    const { timing: _b, ...uninterrupted } = JSON.parse(whole.stdout);
    expect(resumed).toEqual(uninterrupted);
  });

  it('another base or other data is still refused', () => {
    writeFileSync(join(elsewhere, 'north.jsonl'), '{"instruction":"a","output":"b"}\n');
    const changed = fedtune(elsewhere, [
      'run',
      '--resume',
      join('..', 'home', 'mine'),
      '--data',
      'north.jsonl',
      '--num-rounds',
      '4',
    ]);
    expect(changed.status).toBe(2);
    expect(changed.stderr).toContain('was started with another configuration');
  });
});
