import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/model/index.js';
import { type HubFile, HubServer, slowly } from '../support/hubServer.js';
import { buildSafetensors, tinyConfig, tinyTensors, tinyTokenizer } from '../unit/model/buildHf.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const WEIGHTS = /resolve\/.*\/model\.safetensors$/;
const json = (value: unknown): HubFile => ({ content: Buffer.from(JSON.stringify(value)) });

// Processes that share one cache, as owners on one machine do.
describe('processes that want the same model of the hub', () => {
  let hub: HubServer;
  let cache: string;
  beforeEach(async () => {
    cache = mkdtempSync(join(tmpdir(), 'fedtune-hub-processes-'));
    hub = await new HubServer({
      'config.json': json(tinyConfig()),
      'tokenizer.json': json(tinyTokenizer()),
      'model.safetensors': { content: buildSafetensors(tinyTensors()), lfs: true },
    }).start();
  });
  afterEach(async () => {
    await hub.stop();
    rmSync(cache, { recursive: true });
  });

  function inspect(): { child: ChildProcess; done: Promise<{ code: number | null; stdout: string; stderr: string }> } {
    const env = { ...process.env, HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '', HF_TOKEN: '' };
    const child = spawn(process.execPath, [MAIN, 'inspect', 'hf:owner/repo', '--json'], { env });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (data) => (text[name] += String(data)));
    const done = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      child.on('close', (code) => resolve({ code, ...text }));
    });
    return { child, done };
  }
  const blobs = () => join(cache, 'models--owner--repo/blobs');
  function leftovers(): string[] {
    return existsSync(blobs()) ? readdirSync(blobs()).filter((name) => name.includes('fedtune')) : [];
  }

  it('download it once between them', async () => {
    hub.next(WEIGHTS, slowly(60, 20), slowly(60, 20), slowly(60, 20));
    const results = await Promise.all([inspect(), inspect(), inspect()].map(({ done }) => done));
    for (const { code, stdout, stderr } of results) {
      expect([code, stderr]).toEqual([0, '']);
      expect(JSON.parse(stdout)).toMatchObject({ hubId: 'owner/repo' });
    }
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(hub.asked(WEIGHTS)).toBe(1);
    expect(leftovers()).toEqual([]);
  });

  it('go on with what one left that was killed', async () => {
    // Ten seconds and more: a loaded machine must not be late for the kill.
    hub.next(WEIGHTS, slowly(60, 250));
    const { child, done } = inspect();
    // The weights are the file that is known by a sha256.
    const partial = /^[0-9a-f]{64}\.fedtune\.incomplete$/;
    const begun = () => leftovers().some((name) => partial.test(name) && statSync(join(blobs(), name)).size > 0);
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGKILL');
    await done;
    process.env.HF_ENDPOINT = hub.url;
    try {
      const model = await loadModel('hf:owner/repo', {
        cacheDir: cache,
        token: '',
        offline: false,
        patience: { stale: 2000 },
      });
      expect(model.hubId).toBe('owner/repo');
    } finally {
      delete process.env.HF_ENDPOINT;
    }
    expect(hub.asked(WEIGHTS)).toBe(2);
    expect(hub.requests.filter(({ path }) => WEIGHTS.test(path))[1]!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(leftovers()).toEqual([]);
  });
});
