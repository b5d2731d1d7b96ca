import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { UploadHub } from '../support/uploadHub.js';

const TOKEN = 'hf_abcdefghijklmnop';
const root = mkdtempSync(join(tmpdir(), 'fedtune-push-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Sizes that travel in one piece, in several, and not at all. */
const FILES: Readonly<Record<string, Buffer>> = {
  'README.md': Buffer.from('a card'),
  'adapter_config.json': Buffer.from('{}'),
  'adapter_model.safetensors': Buffer.alloc(300_000, 7),
  LICENSE: Buffer.alloc(0),
};

describe('fedtune push', () => {
  let hub: UploadHub;
  let folder: string;
  beforeAll(() => vi.stubEnv('HF_TOKEN', TOKEN));
  beforeEach(async () => {
    hub = await new UploadHub(TOKEN).start();
    vi.stubEnv('HF_ENDPOINT', hub.url);
    folder = mkdtempSync(join(root, 'out-'));
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content);
  });
  afterEach(() => hub.stop());
  afterAll(() => vi.unstubAllEnvs());

  async function push(args: readonly string[], answer?: string) {
    const texts = { stdout: '', stderr: '' };
    const screen = (name: keyof typeof texts) => ({
      write: (text: string) => {
        texts[name] += text;
      },
    });
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    if (answer !== undefined) stdin.end(answer);
    const input = answer === undefined ? {} : { stdin };
    const { signal } = new AbortController();
    const code = await runCli(['push', folder, '--repo', 'me/mine', ...args], {
      ...{ stdout: screen('stdout'), stderr: screen('stderr'), signal, ...input },
    });
    return { code, ...texts };
  }

  it('brings every file to a private repository, and says where', async () => {
    symlinkSync(join(folder, 'README.md'), join(folder, 'base.gguf'));
    const { code, stdout, stderr } = await push(['--yes']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^http:\S+\/me\/mine\/commit\/\w{40}\n$/);
    expect(Object.fromEntries(hub.files)).toEqual(FILES);
    expect(hub.created).toEqual([expect.objectContaining({ name: 'mine', organization: 'me', visibility: 'private' })]);
    // Once more, into what is there now.
    writeFileSync(join(folder, 'README.md'), 'another card');
    expect((await push(['--yes', '--public'])).code).toBe(0);
    expect(String(hub.files.get('README.md'))).toBe('another card');
    expect(hub.created).toHaveLength(1);
  });

  it('asks first, with what would go, and does nothing on any answer but yes', async () => {
    const no = await push([], 'n\n');
    expect(no).toMatchObject({ code: 0, stdout: '' });
    expect(no.stderr).toContain('adapter_model.safetensors\nUpload 4 files (');
    expect(no.stderr).toContain('Nothing was uploaded.');
    expect((await push([], '')).stderr).toContain('Nothing was uploaded.');
    expect(hub.requests).toEqual([]);
    expect((await push([], 'y\n')).code).toBe(0);
    expect(hub.files.size).toBe(4);
  });

  it.each(['rows.jsonl', 'owners.csv', 'run.json', 'notes.txt', 'events.jsonl', '.env'])(
    'refuses a folder with %s in it',
    async (name) => {
      writeFileSync(join(folder, name), 'private');
      const { code, stderr } = await push(['--yes']);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`found ${name}. Only exported files are pushed`)]);
      expect(hub.requests).toEqual([]);
    },
  );

  it.each([
    ['no --yes and no terminal', [], 'Expected --yes to upload 4 files'],
    ['a name without an owner', ['--yes', '--repo', 'mine'], 'Expected --repo owner/name'],
    ['a path as a name', ['--yes', '--repo', 'me/../you'], 'Expected --repo owner/name'],
  ])('refuses %s', async (_, args, message) => {
    expect(await push(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(hub.requests).toEqual([]);
  });

  it('says what to do without a token, and with one that may not write; the token is in no message', async () => {
    vi.stubEnv('HF_TOKEN', '');
    expect(await push(['--yes'])).toMatchObject({ code: 2, stderr: expect.stringContaining('Expected HF_TOKEN') });
    vi.stubEnv('HF_TOKEN', 'hf_zzzzzzzzzzzz');
    const { code, stderr } = await push(['--yes']);
    vi.stubEnv('HF_TOKEN', TOKEN);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Set HF_TOKEN to one with the right to write there')]);
    expect(stderr).not.toContain('hf_zzzzzzzzzzzz');
    expect(hub.files.size).toBe(0);
  });

  it('finds out where the hub holds something else', async () => {
    hub.damage = (content) => content.subarray(0, 1000);
    const { code, stderr, stdout } = await push(['--yes']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('does not hold adapter_model.safetensors as it is in');
    expect(readFileSync(join(folder, 'adapter_model.safetensors'))).toEqual(FILES['adapter_model.safetensors']);
  });
});
