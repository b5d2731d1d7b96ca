import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMIT, HubServer } from '../support/hubServer.js';
import { tinyGguf } from '../unit/model/buildGguf.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SMALL = [
  ...['--num-rounds', '1', '--local-steps', '1', '--batch-size', '2', '--lora-r', '2', '--seq-length', '128'],
  ...['--max-train-examples', '4', '--max-valid-examples', '1', '--max-test-examples', '2', '--eval-every', '0'],
];

describe('a run on a base of the hub', () => {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-e2e-hub-'));
  const cache = join(dir, 'cache');
  let hub: HubServer;
  beforeAll(async () => {
    hub = await new HubServer({
      'tiny.gguf': { content: readFileSync(join(root, 'datasets/base/tiny.gguf')), lfs: true },
    }).start();
  });
  afterAll(() => hub.stop());

  async function fedtune(...args: string[]): Promise<{ code: number | null; stderr: string }> {
    const env = { ...process.env, HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '', HF_TOKEN: '' };
    const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { env, cwd: dir });
    let stderr = '';
    child.stderr.on('data', (data) => (stderr += String(data)));
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
  }

  it('says which in its adapters, and exports onto the commit that it trained on, wherever the branch is by then', async () => {
    const run = await fedtune('run', '--model', 'hf:owner/repo', ...SMALL, '--output-dir', 'run', '--json');
    expect(run).toMatchObject({ code: 0 });
    const adapter = JSON.parse(readFileSync(join(dir, 'run/adapters/global/adapter_config.json'), 'utf8'));
    expect(adapter).toMatchObject({ base_model_name_or_path: 'owner/repo', revision: COMMIT });
    const metrics = JSON.parse(readFileSync(join(dir, 'run/metrics.json'), 'utf8'));
    expect(metrics.model).toMatchObject({ name: 'owner/repo', revision: COMMIT });

    // The branch moves to another model, and the hub is gone.
    const moved = 'f'.repeat(40);
    const repo = join(cache, 'models--owner--repo');
    mkdirSync(join(repo, 'snapshots', moved));
    writeFileSync(join(repo, 'snapshots', moved, 'tiny.gguf'), tinyGguf().bytes);
    writeFileSync(join(repo, 'refs/main'), moved);
    hub.next(/./, ...Array(20).fill((response: { destroy(): void }) => response.destroy()));
    const out = await fedtune('export', 'run', '--client', 'global', '--format', 'gguf', '--out', 'out');
    expect(out).toEqual({ code: 0, stderr: '' });
  });
});
