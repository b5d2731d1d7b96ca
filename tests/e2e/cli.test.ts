import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/program.js';
import { CONFIG_KEYS } from '../../src/config/schema.js';
import { readGgufAdapter, readPeftAdapter } from '../../src/export/index.js';
import { type BaseModel, loadModel } from '../../src/model/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const dir = mkdtempSync(join(tmpdir(), 'fedtune-cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The command line in this process: what it prints and what it would exit with. */
async function inside(...args: string[]): Promise<Outcome> {
  const texts = { stdout: '', stderr: '' };
  const screen = (name: keyof typeof texts) => ({
    write: (text: string) => {
      texts[name] += text;
    },
  });
  const { signal } = new AbortController();
  const code = await runCli(args, { stdout: screen('stdout'), stderr: screen('stderr'), signal });
  return { code, ...texts };
}

/** The built command line in a process and a folder of its own. */
function fedtune(...args: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: dir });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        texts[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

/** A loaded machine takes minutes where a quiet one takes seconds. */
const PATIENCE = 400_000;
const SMALL = [
  ...['--local-steps', '2', '--batch-size', '2', '--learning-rate', '1e-2', '--lora-r', '2', '--seq-length', '128'],
  ...['--max-train-examples', '6', '--max-valid-examples', '1', '--max-test-examples', '2', '--eval-every', '0'],
];
const OWNERS = readdirSync(join(root, 'datasets/owners'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

describe.skipIf(!existsSync(main))('the command line (needs npm run build:ts)', () => {
  describe('run', () => {
    let outcome: Outcome;
    beforeAll(async () => {
      outcome = await fedtune(
        'run',
        ...SMALL,
        '--num-rounds',
        '2',
        '--set',
        'lora_alpha=8',
        '--output-dir',
        'a',
        '--json',
      );
    }, PATIENCE);

    it('ends with 0 and one JSON document on stdout, all else on stderr', () => {
      expect(outcome.code).toBe(0);
      expect(outcome.stdout.trim().split('\n')).toHaveLength(1);
      expect(JSON.parse(outcome.stdout)).toEqual(JSON.parse(readFileSync(join(dir, 'a/metrics.json'), 'utf8')));
      expect(outcome.stderr).toContain('round 2 of 2');
    });

    it('prints metrics of the documented form', () => {
      const metrics = JSON.parse(outcome.stdout);
      const score = { nll: expect.any(Number), ppl: expect.any(Number), tokens: expect.any(Number) };
      const mean = { nll: expect.any(Number), ppl: expect.any(Number) };
      expect(metrics).toMatchObject({
        version: 1,
        method: 'fedavg',
        rounds: 2,
        precision: 'int8',
        seed: 42,
        model: { name: expect.any(String), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        macro: { base: mean, global: mean, take_home: mean },
        weighted: { base: mean, global: mean, take_home: mean },
        traffic: { bytes_up: expect.any(Number), bytes_down: expect.any(Number) },
        tokens: { train: expect.any(Number), search: 0, eval: expect.any(Number) },
        timing: {
          seconds: expect.any(Number),
          train_seconds: expect.any(Number),
          tokens_per_second: expect.any(Number),
          peak_rss_bytes: expect.any(Number),
          kernels: expect.any(String),
          workers: expect.any(Number),
        },
      });
      expect(metrics.clients.map(({ id }: { id: string }) => id)).toEqual(OWNERS);
      for (const client of metrics.clients) {
        expect(client).toMatchObject({ num_train: 6, num_val: 1, num_test: 2, base: score, global: score });
        expect(client.take_home).toEqual({ which: client.take_home.which, ...client[client.take_home.which] });
        expect(client.base.ppl).toBeCloseTo(Math.exp(client.base.nll), 6);
      }
      expect(metrics.macro.global.ppl).toBeLessThan(metrics.macro.base.ppl);
    });

    it('leaves a run folder', () => {
      expect(readdirSync(join(dir, 'a')).sort()).toEqual(
        expect.arrayContaining(['adapters', 'config.yaml', 'events.jsonl', 'metrics.json', 'partition.json', 'owners']),
      );
      expect(readdirSync(join(dir, 'a/adapters')).sort()).toEqual([...OWNERS, 'global'].sort());
      const config = readFileSync(join(dir, 'a/config.yaml'), 'utf8');
      for (const line of ['lora_r: 2', 'lora_alpha: 8', 'learning_rate: 0.01', 'local_epochs: null']) {
        expect(config).toContain(`\n${line}\n`);
      }
    });

    it('from its own config.yaml gives the same, but for timing; the table goes to stdout', async () => {
      const again = await fedtune('run', 'a/config.yaml', '--output-dir', 'b');
      expect(again.code).toBe(0);
      const [{ timing: _a, ...first }, { timing: _b, ...second }] = ['a', 'b'].map((name) =>
        JSON.parse(readFileSync(join(dir, name, 'metrics.json'), 'utf8')),
      );
      expect(second).toEqual(first);
      for (const owner of OWNERS) expect(again.stdout).toContain(owner);
      expect(again.stdout).toContain(first.macro.global.ppl.toFixed(first.macro.global.ppl < 100 ? 3 : 1));
    });

    it('takes flags over the file, and --set over flags', async () => {
      writeFileSync(join(dir, 'run.yaml'), 'num_rounds: 9\nseed: 1\nlora_r: 3\noutput_dir: c\n');
      const { code, stdout } = await fedtune(
        ...['run', 'run.yaml', ...SMALL, '--num-rounds', '3', '--set', 'num_rounds=0', '--json'],
      );
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ rounds: 0, seed: 1, tokens: { train: 0 } });
    });

    it('exits with the code of its error', async () => {
      const wrong = await fedtune('run', '--lora-rank', '4', '--json');
      expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Did you mean --lora-r?') });
    });

    it('does not touch a run that is there', async () => {
      const before = readFileSync(join(dir, 'a/metrics.json'), 'utf8');
      const { code, stderr, stdout } = await fedtune('run', ...SMALL, '--output-dir', 'a', '--json');
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain('holds a run already');
      expect(readFileSync(join(dir, 'a/metrics.json'), 'utf8')).toBe(before);
    });

    describe('and then export', () => {
      let model: BaseModel;
      beforeAll(async () => {
        model = await loadModel('embedded');
      });

      it.each(['global', OWNERS[0]!])('%s, to PEFT and to GGUF alike', async (client) => {
        const out = join(dir, 'out', client);
        for (const format of ['peft', 'gguf']) {
          const args = ['export', join(dir, 'a'), '--client', client, '--format', format, '--out', out];
          const { code, stdout } = await inside(...args);
          expect([code, stdout]).toEqual([0, format === 'peft' ? `${out}\n` : `${join(out, 'adapter.gguf')}\n`]);
        }
        const original = await readPeftAdapter(join(dir, 'a/adapters', client), model);
        expect(await readPeftAdapter(out, model)).toEqual(original);
        const gguf = await readGgufAdapter(join(out, 'adapter.gguf'), model);
        expect(gguf.values).toEqual(original.values);
        expect(original.values.some((value) => value !== 0)).toBe(true);
      });

      it('with a name for the base, and never from a base that is another by now', async () => {
        const out = join(dir, 'named');
        const args = ['export', '--client', 'global', '--format', 'peft', '--out', out];
        expect((await inside(...args, join(dir, 'a'), '--base-model', 'owner/base')).code).toBe(0);
        const config = JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'));
        expect(config).toMatchObject({ base_model_name_or_path: 'owner/base', revision: null });
        cpSync(join(dir, 'a'), join(dir, 'other'), { recursive: true });
        const metrics = JSON.parse(readFileSync(join(dir, 'other/metrics.json'), 'utf8'));
        metrics.model.sha256 = '0'.repeat(64);
        writeFileSync(join(dir, 'other/metrics.json'), JSON.stringify(metrics));
        const { code, stderr } = await inside(...args, join(dir, 'other'));
        expect([code, stderr]).toEqual([
          1,
          expect.stringContaining('Expected the base model that this run was started with'),
        ]);
      });

      it('merged into the base: the same tensors, other weights where there is an adapter', async () => {
        const out = join(dir, 'merged');
        const { code, stdout } = await inside(
          'export',
          join(dir, 'a'),
          '--client',
          'global',
          '--format',
          'merged',
          '--out',
          out,
        );
        expect([code, stdout]).toEqual([0, `${join(out, 'model.gguf')}\n`]);
        const merged = await loadModel(join(out, 'model.gguf'));
        const names = ({ description }: BaseModel) => description.tensors.map(({ name }) => name).sort();
        expect(names(merged)).toEqual(names(model));
        const bytesOf = ({ description, path }: BaseModel, tensor: string) => {
          const { offset, bytes } = description.tensors.find(({ name }) => name === tensor)!;
          return readFileSync(path).subarray(offset, offset + bytes);
        };
        expect(bytesOf(merged, 'token_embd.weight')).toEqual(bytesOf(model, 'token_embd.weight'));
        expect(bytesOf(merged, 'blk.0.attn_q.weight')).not.toEqual(bytesOf(model, 'blk.0.attn_q.weight'));
      });

      it('of everybody at once, each with a model card that says what it is and nothing of this machine', async () => {
        const out = join(dir, 'everybody');
        const { code, stdout } = await inside('export', join(dir, 'a'), '--all', '--format', 'peft', '--out', out);
        const names = ['global', ...OWNERS];
        expect([code, stdout]).toEqual([0, names.map((name) => `${join(out, name)}\n`).join('')]);
        for (const name of names) {
          const original = await readPeftAdapter(join(dir, 'a/adapters', name), model);
          expect(await readPeftAdapter(join(out, name), model), name).toEqual(original);
        }
        const card = readFileSync(join(out, OWNERS[0]!, 'README.md'), 'utf8');
        const { clients } = JSON.parse(readFileSync(join(dir, 'a/metrics.json'), 'utf8'));
        const [front] = card.split('\n---\n');
        expect(parse(front!.slice(4))).toMatchObject({
          library_name: 'peft',
          tags: ['lora', 'federated-learning', 'fedtune'],
        });
        expect(card).toContain(`owner ${OWNERS[0]} took home (${clients[0].take_home.which})`);
        expect(card).toContain(
          `| base${clients[0].take_home.which === 'base' ? ' (this adapter)' : ''} | ${clients[0].base.ppl.toFixed(3)} |`,
        );
        expect(card).not.toContain(dir);
        // Somebody's own page stays.
        writeFileSync(join(out, OWNERS[0]!, 'README.md'), 'mine');
        await inside(
          'export',
          join(dir, 'a'),
          '--client',
          OWNERS[0]!,
          '--format',
          'peft',
          '--out',
          join(out, OWNERS[0]!),
        );
        expect(readFileSync(join(out, OWNERS[0]!, 'README.md'), 'utf8')).toBe('mine');
      });

      it('names the owners where there is no such one', async () => {
        const { code, stderr } = await inside(
          'export',
          join(dir, 'a'),
          '--client',
          'nobody',
          '--format',
          'peft',
          '--out',
          'x',
        );
        expect(code).toBe(2);
        for (const owner of OWNERS) expect(stderr).toContain(owner);
      });
    });
  });
});

describe('every command', () => {
  it.each<[number, string, string[]]>([
    [2, 'Did you mean --lora-r?', ['run', '--lora-rank', '4']],
    [2, 'Did you mean --num-rounds?', ['run', '--rounds', '4']],
    [2, 'Did you mean "lora_r"?', ['run', '--set', 'lora_rank=4']],
    [2, 'Expected --set key=value', ['run', '--set', 'lora_r']],
    [2, 'lora_r: expected number, received "four"', ['run', '--lora-r', 'four']],
    [2, 'local_steps (3) or local_epochs (2)', ['run', '--local-steps', '3', '--local-epochs', '2']],
    [2, 'nowhere.yaml', ['run', 'nowhere.yaml']],
    [2, 'Did you mean run?', ['runn']],
    [2, 'Expected one of --client ID and --all', ['export', 'a', '--format', 'gguf', '--out', 'x']],
    [2, 'Allowed choices are peft, gguf', ['export', 'a', '--client', 'global', '--format', 'onnx', '--out', 'x']],
    [1, 'nowhere.gguf but nothing is there', ['run', '--model', 'nowhere.gguf']],
    [1, 'at "nowhere/*.jsonl"', ['run', '--data', 'nowhere/*.jsonl']],
    [1, 'Expected a run folder', ['export', 'nowhere', '--client', 'global', '--format', 'peft', '--out', 'x']],
    [1, 'Expected a run folder', ['run', '--resume', 'nowhere']],
    [1, 'nothing is there', ['inspect', 'nowhere.gguf']],
  ])('exits %i: %s', async (code, message, args) => {
    const never = join(dir, 'never');
    const outcome = await inside(...args, ...(args[0] === 'run' ? ['--json', '--output-dir', never] : []));
    expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
    expect(outcome.stderr, 'no trace of the program').not.toMatch(/^ +at /m);
    expect(outcome.stderr.match(/Did you mean/g)?.length ?? 0, 'one suggestion').toBeLessThan(2);
    expect(existsSync(never), 'nothing is left behind').toBe(false);
  });

  it('--help lists the commands and the flags', async () => {
    const help = await inside('--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const command of ['run', 'start', 'export', 'inspect', 'keys'])
      expect(help.stdout).toContain(`\n  ${command} `);
    const { stdout } = await inside('run', '--help');
    for (const flag of [
      'model',
      'data',
      'method',
      'partition',
      'num-clients',
      'num-rounds',
      'local-steps',
      'batch-size',
    ]) {
      expect(stdout).toContain(`--${flag} <value>`);
    }
    for (const flag of ['--set <key=value>', '--json', '--resume <dir>']) expect(stdout).toContain(flag);
  });

  it('keys lists every key with its default, or their JSON Schema', async () => {
    const { stdout } = await inside('keys');
    for (const key of CONFIG_KEYS) expect(stdout).toMatch(new RegExp(`^${key}: `, 'm'));
    const schema = JSON.parse((await inside('keys', '--json-schema')).stdout);
    expect(Object.keys(schema.properties)).toEqual([...CONFIG_KEYS]);
  });

  it('inspect says what the embedded base is', async () => {
    const { code, stdout } = await inside('inspect', 'embedded', '--json');
    expect(code).toBe(0);
    const { description, sha256 } = await loadModel('embedded');
    expect(JSON.parse(stdout)).toMatchObject({
      architecture: 'llama',
      sha256,
      numLayers: description.numLayers,
      vocabSize: description.vocabSize,
    });
    expect((await inside('inspect', 'embedded')).stdout).toContain(`sha256: ${sha256}`);
  });
});
