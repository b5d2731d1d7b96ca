import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { TINY_RUN } from '../support/tinyRun.js';
import { expectHidden, filesBelow, OWNERS, plantedData } from './canaries.js';
import { temporaryFolder } from './owners.js';

// A whole run and its processes take their time where the machine has other work.
vi.setConfig({ testTimeout: 300_000 });

async function plantedRun(settings: Record<string, unknown>) {
  const compiled = fileURLToPath(new URL('../../dist/run/runFederation.js', import.meta.url));
  const { runFederation } = (await import(compiled)) as typeof import('../../src/run/runFederation.js');
  const dir = temporaryFolder();
  const output_dir = join(dir, 'run');
  const messages: Buffer[] = [];
  const config = parseConfig({
    ...TINY_RUN,
    data: await plantedData(dir),
    seq_length: 256,
    eval_every: 1,
    num_rounds: 2,
    local_steps: 1,
    also_local: true,
    finetune_steps: 1,
    workers: 2,
    threads: 1,
    output_dir,
    ...settings,
  });
  await runFederation({
    config,
    tap: (_owner, _direction, bytes) => messages.push(Buffer.from(bytes)),
    onProgress: () => {},
  });
  const all = filesBelow(output_dir);
  const isOwners = (path: string) => path.startsWith(`owners${sep}`);
  const files = new Map([...all].filter(([path]) => !isOwners(path)));
  const homes = OWNERS.map((owner) => join(output_dir, 'owners', owner));
  return { messages, files, homes, owned: [...all].filter(([path]) => isOwners(path)).map(([, bytes]) => bytes) };
}

describe('nothing of a row leaves its owner in a whole run', () => {
  it.each([
    ['threads', { runtime: 'threads', method: 'perfit', mutation: 'fedqp', mutation_start: 2 }],
    ['processes', { runtime: 'processes', method: 'ditto' }],
  ])('%s: neither in a message nor in a file of the server', async (_, settings) => {
    const { messages, files, homes, owned } = await plantedRun(settings);
    expect(messages.length).toBeGreaterThan(15);
    const names = [...files.keys()].map((path) => path.split(sep).join('/'));
    for (const name of ['config.yaml', 'events.jsonl', 'partition.json', 'metrics.json', 'report.html', 'run.json']) {
      expect(names).toContain(name);
    }
    expect(names.some((name) => name.startsWith('state/blobs/'))).toBe(true);
    expect(names).toContain('adapters/north/adapter_model.safetensors');
    const seen = [...messages, ...files.values()];

    expectHidden(seen, owned, homes);
  });
});
