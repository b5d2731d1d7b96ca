import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeLayout } from '../../../src/adapter/layout.js';
import { writePeftAdapter } from '../../../src/export/index.js';
import { type BaseModel, loadModel } from '../../../src/model/index.js';
import { originOf } from '../../../src/model/origin.js';
import { tinyGguf } from './buildGguf.js';
import { writeHf } from './buildHf.js';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('originOf', () => {
  it('reads the hub cache off a path, on any system', () => {
    for (const path of [
      `/root/.cache/huggingface/hub/models--owner--My.Repo-1b/snapshots/${COMMIT}`,
      `/cache/models--owner--My.Repo-1b/snapshots/${COMMIT}/sub/x.gguf`,
      `C:\\cache\\models--owner--My.Repo-1b\\snapshots\\${COMMIT}\\x.gguf`,
    ]) {
      expect(originOf(path, ['other/name'])).toEqual({ hubId: 'owner/My.Repo-1b', revision: COMMIT });
    }
  });

  it.each([
    [['HuggingFaceTB/SmolLM2-135M'], 'HuggingFaceTB/SmolLM2-135M'],
    [['https://huggingface.co/Qwen/Qwen2.5-0.5B'], 'Qwen/Qwen2.5-0.5B'],
    [['https://huggingface.co/Qwen/Qwen2.5-0.5B/', 'a/b'], 'Qwen/Qwen2.5-0.5B'],
    [[undefined, 7, '', 'a/b'], 'a/b'],
    [['https://github.com/owner/repo', 'a/b'], 'a/b'],
  ])('takes the first hub id of %j', (names, hubId) => {
    expect(originOf('/models/x', names)).toEqual({ hubId });
  });

  it.each(['/home/me/models/x', './x/y', '../x/y', 'models/x/y', 'name', 'C:\\x\\y', '~/x', 'https://example.org/a/b'])(
    'takes no path or other address for one: %s',
    (name) => {
      expect(originOf('/models/x', [name])).toEqual({});
    },
  );
});

describe('adapter_config.json names the base', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedtune-origin-'));
  const gone = async () => {
    throw new TypeError('offline');
  };

  async function baseOf(model: BaseModel): Promise<unknown[]> {
    const out = mkdtempSync(join(folder, 'adapter-'));
    const module = {
      module: 'blk.0.attn_q',
      layer: 0,
      target: 'attn_q',
      rank: 1,
      scale: 1,
      inDim: 8,
      outDim: 8,
    } as const;
    await writePeftAdapter(out, { layout: makeLayout([module]), values: new Float32Array(16), mask: null }, model);
    const config = JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'));
    return [config.base_model_name_or_path, config.revision];
  }

  it('of the hub: with the commit that was trained on', async () => {
    const repo = join(folder, 'models--owner--repo');
    writeHf(join(repo, 'snapshots', COMMIT), { config: { _name_or_path: 'some/parent' } });
    mkdirSync(join(repo, 'refs'));
    for (const name of ['main', 'v1']) writeFileSync(join(repo, 'refs', name), COMMIT);
    for (const spec of ['hf:owner/repo', 'hf:owner/repo@v1', `hf:owner/repo@${COMMIT}`]) {
      const model = await loadModel(spec, { cacheDir: folder, fetch: gone });
      expect(await baseOf(model), spec).toEqual(['owner/repo', COMMIT]);
    }
    expect(await baseOf(await loadModel(join(repo, 'snapshots', COMMIT)))).toEqual(['owner/repo', COMMIT]);
  });

  it('of a folder or a file: by its metadata, and never by a path', async () => {
    const hf = (name: string) => loadModel(writeHf(join(folder, 'plain'), { config: { _name_or_path: name } }));
    expect(await baseOf(await hf('owner/repo'))).toEqual(['owner/repo', null]);
    expect(await baseOf(await hf('/home/somebody/repo'))).toEqual([null, null]);
    const gguf = (metadata: Record<string, string>) => {
      const path = join(folder, 'x.gguf');
      const keys = Object.entries(metadata).map(([key, value]) => [key, { kind: 'string', value }] as const);
      writeFileSync(path, tinyGguf({ metadata: Object.fromEntries(keys) }).bytes);
      return loadModel(path);
    };
    const own = { 'general.repo_url': 'https://huggingface.co/quantiser/repo-GGUF' };
    expect(await baseOf(await gguf({}))).toEqual([null, null]);
    expect(await baseOf(await gguf(own))).toEqual(['quantiser/repo-GGUF', null]);
    const source = { 'general.source.repo_url': 'https://huggingface.co/owner/repo' };
    expect(await baseOf(await gguf({ ...own, ...source }))).toEqual(['owner/repo', null]);
  });
});
