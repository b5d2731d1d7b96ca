import { describe, expect, it } from 'vitest';
import { originOf } from '../../../src/model/origin.js';

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
