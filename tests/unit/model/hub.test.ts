import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import { DataError } from '../../../src/errors.js';
import { openSnapshot, parseHubSpec } from '../../../src/model/hub/index.js';
import { type LoadModelOptions, loadModel } from '../../../src/model/index.js';
import {
  type Answer,
  COMMIT,
  content,
  cutAfter,
  endAfter,
  type HubFile,
  HubServer,
  hangUp,
  redirect,
  silence,
  slowly,
  stallAfter,
  status,
} from '../../support/hubServer.js';
import { buildSafetensors, tinyConfig, tinyTensors, tinyTokenizer } from './buildHf.js';

const root = mkdtempSync(join(tmpdir(), 'fedtune-hub-'));
const json = (value: unknown): HubFile => ({ content: Buffer.from(JSON.stringify(value)) });
const WEIGHTS = /resolve\/.*\/model\.safetensors$/;
const REVISION = /\/revision\//;

/** The tiny model with weights of a few kilobytes, and what repositories hold besides. */
function repository(): Record<string, HubFile> {
  return {
    'README.md': { content: Buffer.from('# tiny') },
    'config.json': json(tinyConfig()),
    'consolidated.safetensors': { content: Buffer.from('a second copy'), lfs: true },
    'model.safetensors': { content: buildSafetensors(tinyTensors()), lfs: true },
    'tokenizer.json': json(tinyTokenizer()),
    '../outside.json': json({}),
    'tokenizer_config.json': json({}),
  };
}

let hub: HubServer;
let cacheDir: string;
let caches = 0;
const before = { endpoint: process.env.HF_ENDPOINT, token: process.env.HF_TOKEN, offline: process.env.HF_HUB_OFFLINE };

beforeAll(() => {
  delete process.env.HF_TOKEN;
  delete process.env.HF_HUB_OFFLINE;
  return () => {
    const restore = (name: string, value: string | undefined) => {
      if (value !== undefined) process.env[name] = value;
    };
    delete process.env.HF_ENDPOINT;
    restore('HF_ENDPOINT', before.endpoint);
    restore('HF_TOKEN', before.token);
    restore('HF_HUB_OFFLINE', before.offline);
  };
});
beforeEach(async () => {
  hub = await new HubServer(repository()).start();
  process.env.HF_ENDPOINT = `${hub.url}/`;
  cacheDir = join(root, String(caches++));
});
afterEach(() => hub.stop());

const load = (options: LoadModelOptions = {}, spec = 'hf:owner/repo') =>
  loadModel(spec, { cacheDir, ...options, patience: { wait: 1, stall: 30_000, stale: 2000, ...options.patience } });
const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => ({ code: 'loaded', message: '' }),
    ({ code, message }: { code: string; message: string }) => ({ code, message }),
  );
/** What is left in the folder of blobs besides whole files. */
const leftovers = () =>
  readdirSync(join(cacheDir, 'models--owner--repo/blobs')).filter(
    (name) => !/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(name),
  );

describe('a model of the hub', () => {
  it('comes with what loading reads and nothing else, into the shared cache, once', async () => {
    const model = await load();
    expect(model).toMatchObject({ name: 'owner/repo', hubId: 'owner/repo', revision: COMMIT, warnings: [] });
    expect(readdirSync(model.path).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(readFileSync(join(cacheDir, 'models--owner--repo/refs/main'), 'utf8')).toBe(COMMIT);
    expect(leftovers()).toEqual([]);
    const asked = hub.asked(/resolve/);
    expect(await load()).toMatchObject({ sha256: model.sha256 });
    expect(hub.asked(/resolve/)).toBe(asked);
  });

  it('tells how far each file is', async () => {
    const told: { file: string; bytes: number; totalBytes: number }[] = [];
    hub.next(WEIGHTS, cutAfter(700));
    await load({ onDownload: (progress) => told.push(progress) });
    const weights = told.filter(({ file }) => file === 'model.safetensors');
    const { length } = hub.files['model.safetensors']!.content;
    expect(weights.at(-1)).toEqual({ file: 'model.safetensors', bytes: length, totalBytes: length });
    expect(weights.map(({ bytes }) => bytes)).toEqual(weights.map(({ bytes }) => bytes).sort((a, b) => a - b));
    expect(new Set(told.map(({ file }) => file)).size).toBe(4);
  });

  it('sharded: the shards that the index names', async () => {
    const shard = (from: number, to: number): HubFile => ({
      content: buildSafetensors(tinyTensors().slice(from, to)),
      lfs: true,
    });
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const { 'model.safetensors': _, ...files } = repository();
    const map = Object.fromEntries(tinyTensors().map(({ name }, i) => [name, names[i < 5 ? 0 : 1]]));
    await hub.stop();
    hub = await new HubServer({
      ...files,
      [names[0]!]: shard(0, 5),
      [names[1]!]: shard(5, 99),
      'model-00001-of-00003.safetensors': shard(0, 1),
      'model.safetensors.index.json': json({ weight_map: map }),
    }).start();
    process.env.HF_ENDPOINT = hub.url;
    const model = await load();
    expect(model.description.files.map((file) => file.slice(model.path.length + 1))).toEqual(names);
    expect(hub.asked(/of-00003/)).toBe(0);
  });

  const troubles: [string, Answer[], number][] = [
    ['a connection that breaks', [cutAfter(700)], 2],
    ['one that breaks again and again', [cutAfter(400), cutAfter(300), cutAfter(200), cutAfter(100)], 5],
    ['an answer that ends early', [endAfter(500)], 2],
    ['a connection on which nothing more comes', [stallAfter(600)], 2],
    ['a slow one', [slowly(200, 5)], 1],
    ['one that breaks, then a server that knows no ranges', [cutAfter(500), content()], 2],
    ['more than was announced', [content((own) => Buffer.concat([own, own]))], 2],
    ['too many requests', [status(429, { 'Retry-After': '0' }), status(429)], 3],
    ['trouble of the server', [status(500), status(503)], 3],
  ];
  it.each(troubles)('arrives whole over %s', async (trouble, answers, requests) => {
    hub.next(WEIGHTS, ...answers);
    // Only where silence is what is tested must a loaded machine answer in time.
    const model = await load(trouble.includes('nothing more') ? { patience: { stall: 1000 } } : {});
    expect(readFileSync(join(model.path, 'model.safetensors'))).toEqual(hub.files['model.safetensors']!.content);
    expect(hub.asked(WEIGHTS)).toBe(requests);
    expect(leftovers()).toEqual([]);
  });

  it('goes on where an earlier process stopped, and starts over where what it left is wrong', async () => {
    hub.next(WEIGHTS, ...Array<Answer>(5).fill(cutAfter(100)));
    const failed = await codeOf(load());
    expect(failed).toMatchObject({ code: 'HUB_UNREACHABLE', message: expect.stringContaining('500 of') });
    expect(leftovers()).toHaveLength(1);
    const asked = hub.requests.length;
    await load();
    expect(hub.requests.slice(asked).find(({ path }) => WEIGHTS.test(path))!.range).toBe('bytes=500-');
    rmSync(cacheDir, { recursive: true });
    hub.next(
      WEIGHTS,
      content((own) => Buffer.from(own.subarray(0, 300)).fill(7)),
      ...Array<Answer>(4).fill(cutAfter(0)),
    );
    expect((await codeOf(load())).code).toBe('HUB_UNREACHABLE');
    expect((await codeOf(load())).code).toBe('loaded');
  });

  it('is not kept where its content is another', async () => {
    hub.next(
      WEIGHTS,
      content((own) => Buffer.from(own).fill(7, 50, 60)),
    );
    expect((await codeOf(load())).code).toBe('HASH_MISMATCH');
    expect(leftovers()).toEqual([]);
    expect((await codeOf(load())).code).toBe('loaded');
  });

  it('follows redirects to another host without taking the token there', async () => {
    const cdn = await new HubServer(hub.files).start();
    try {
      hub.next(WEIGHTS, redirect(cdn.url));
      await load({ token: 'not-a-hub-token' });
      expect(cdn.asked(WEIGHTS)).toBe(1);
      expect(cdn.requests[0]!.authorization).toBeUndefined();
      expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(
        new Set(['Bearer not-a-hub-token']),
      );
    } finally {
      await cdn.stop();
    }
  });

  const refusals: [string, Answer, string, string][] = [
    ['401', status(401), 'HUB_ACCESS', 'HF_TOKEN'],
    ['403 of a gated repository', status(403, { 'X-Error-Code': 'GatedRepo' }), 'HUB_ACCESS', 'Accept them at'],
    ['404', status(404, { 'X-Error-Code': 'RepoNotFound' }), 'HUB_NOT_FOUND', 'Check the name'],
    ['404 of a revision', status(404, { 'X-Error-Code': 'RevisionNotFound' }), 'HUB_NOT_FOUND', 'revision'],
    ['410', status(410), 'HUB_NOT_FOUND', '410'],
  ];
  it.each(refusals)('%s is said at once, from the cache or not', async (_, answer, code, words) => {
    for (const path of [REVISION, /\/tree\//, WEIGHTS]) {
      hub.next(path, answer);
      const error = await codeOf(load());
      expect(error, String(path)).toMatchObject({ code, message: expect.stringContaining(words) });
    }
    expect(hub.asked(WEIGHTS)).toBe(1);
    await load();
    hub.next(REVISION, answer);
    expect((await codeOf(load())).code).toBe(code);
  });

  it('a wait that is longer than anybody waits is said instead', async () => {
    hub.next(WEIGHTS, status(429, { 'Retry-After': '86400' }));
    expect(await codeOf(load())).toEqual({ code: 'HUB_UNREACHABLE', message: expect.stringContaining('86400 s') });
  });

  it('comes from the cache where the hub does not answer, with a word about it', async () => {
    const model = await load();
    for (const answer of [status(503), silence, hangUp]) {
      hub.next(REVISION, answer, answer);
      const offline = await load({ patience: { attempts: 2, stall: answer === silence ? 500 : 30_000 } });
      expect(offline.sha256).toBe(model.sha256);
      expect(offline.warnings).toEqual([expect.stringContaining('taken from the cache (commit 0123456789ab)')]);
      hub.forget();
    }
  });

  it('offline: asks nobody, and says what is missing', async () => {
    expect(await codeOf(load({ offline: true }))).toEqual({
      code: 'HUB_UNREACHABLE',
      message: expect.stringContaining('HF_HUB_OFFLINE'),
    });
    hub.next(WEIGHTS, status(404));
    await codeOf(load());
    const asked = hub.requests.length;
    const missing = await codeOf(load({ offline: true }));
    expect(missing).toEqual({ code: 'HUB_UNREACHABLE', message: expect.stringContaining('model.safetensors') });
    expect(hub.requests.length).toBe(asked);
    await load();
    process.env.HF_HUB_OFFLINE = '1';
    try {
      expect((await load()).warnings).toEqual([]);
    } finally {
      delete process.env.HF_HUB_OFFLINE;
    }
  });

  it('from a cache that another tool filled: with a word that it may not be all', async () => {
    const snapshot = join(cacheDir, 'models--owner--repo/snapshots', COMMIT);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(cacheDir, 'models--owner--repo/refs'));
    writeFileSync(join(cacheDir, 'models--owner--repo/refs/main'), COMMIT);
    for (const [name, { content }] of Object.entries(repository()))
      if (!name.startsWith('.')) writeFileSync(join(snapshot, name), content);
    expect((await load({ offline: true })).warnings).toEqual([expect.stringContaining('no tool has downloaded yet')]);
    rmSync(join(snapshot, 'model.safetensors'));
    const { code, message } = await codeOf(load({ offline: true }));
    expect([code, message]).toEqual(['NOT_FOUND', expect.stringContaining('no tool has downloaded yet')]);
  });

  it('from a cache whose list of files is damaged: as from another tool\u2019s', async () => {
    const { sha256 } = await load();
    writeFileSync(join(cacheDir, 'models--owner--repo/.fedtune', `${COMMIT}.json`), '["config.js');
    const model = await load({ offline: true });
    expect([model.sha256, model.warnings]).toEqual([sha256, [expect.stringContaining('no tool has downloaded yet')]]);
  });

  it.each(['..', '../../x', 'a//b', 'a\\b', ''])('a revision stays inside of the cache: %j', async (revision) => {
    expect((await codeOf(load({ revision }))).code).toBe('BAD_HUB_SPEC');
    expect(hub.requests).toEqual([]);
  });

  it.each([
    ['while a file comes', WEIGHTS, slowly(10, 50)],
    ['while the hub is silent', REVISION, silence],
    ['while it is waited for', WEIGHTS, status(429, { 'Retry-After': '60' })],
    ['while a broken connection is waited over', WEIGHTS, hangUp],
  ])('stops where the user asks for it, %s', async (_, path, answer) => {
    const controller = new AbortController();
    hub.next(path, answer, answer, answer);
    const loading = codeOf(load({ signal: controller.signal, patience: { wait: 60_000 } }));
    while (hub.asked(path) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const start = performance.now();
    controller.abort();
    expect((await loading).code).toBe('INTERRUPTED');
    expect(performance.now() - start).toBeLessThan(5000);
    hub.forget();
    expect((await codeOf(load())).code).toBe('loaded');
  });

  it('from a cache that may only be read, where all is in it', async () => {
    await load();
    const repo = join(cacheDir, 'models--owner--repo');
    for (const name of ['refs', '.fedtune']) {
      rmSync(join(repo, name), { recursive: true });
      writeFileSync(join(repo, name), 'no folder');
    }
    expect((await codeOf(load())).code).toBe('loaded');
  });

  it('a disk that cannot be written is no trouble of the hub', async () => {
    writeFileSync(join(root, 'file'), '');
    expect((await codeOf(load({ cacheDir: join(root, 'file') }))).code).toBe('WRITE_FAILED');
    expect(hub.asked(WEIGHTS)).toBe(0);
  });

  it('one file asked for several times at once is downloaded once', async () => {
    hub.next(WEIGHTS, slowly(100, 5));
    hub.next(REVISION, status(429, { 'Retry-After': '1' }));
    const models = await Promise.all([load(), load(), load()]);
    expect(new Set(models.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(hub.asked(WEIGHTS)).toBe(1);
  });

  it('split and single GGUF models: parts count as one, the others are to choose from', async () => {
    await hub.stop();
    const files = ['a-00001-of-00002.gguf', 'a-00002-of-00002.gguf', 'sub/b.gguf'];
    hub = await new HubServer(
      Object.fromEntries(files.map((name) => [name, { content: Buffer.from(name), lfs: true }])),
    ).start();
    process.env.HF_ENDPOINT = hub.url;
    const { code, message } = await codeOf(load());
    expect(code).toBe('AMBIGUOUS_FILE');
    expect(message.split('\n').slice(1)).toEqual([
      '  hf:owner/repo/a-00001-of-00002.gguf',
      '  hf:owner/repo/sub/b.gguf',
    ]);
    expect((await codeOf(load({}, 'hf:owner/repo/a-00002-of-00002.gguf'))).code).toBe('NOT_GGUF');
    expect(hub.asked(/a-0000\d/)).toBe(2);
    expect((await codeOf(load({}, 'hf:owner/repo/c.gguf'))).code).toBe('HUB_NOT_FOUND');
  });
});

describe('a data set of the hub', () => {
  it('refuses as a DataError', async () => {
    hub.next(REVISION, status(403, { 'X-Error-Code': 'GatedRepo' }));
    const refused = openSnapshot(parseHubSpec('hf:owner/repo', 'dataset'), { cacheDir });
    await expect(refused).rejects.toBeInstanceOf(DataError);
    await expect(openSnapshot(parseHubSpec('hf:owner/repo', 'dataset'), { cacheDir })).resolves.toMatchObject({
      files: expect.arrayContaining(['config.json', 'model.safetensors']),
    });
  });

  it('says so in the summary of the data where it comes from the cache', async () => {
    await hub.stop();
    const rows = Buffer.from('{"instruction":"a","output":"b"}\n{"instruction":"c","output":"d"}\n');
    hub = await new HubServer({
      'train.jsonl': { content: rows },
      'README.md': { content: Buffer.from('# rows') },
    }).start();
    process.env.HF_ENDPOINT = hub.url;
    expect((await loadExamples('hf:owner/repo', { cacheDir })).summary.reasons).toEqual([]);
    hub.next(REVISION, status(503));
    const { examples, summary } = await loadExamples('hf:owner/repo', { cacheDir, patience: { attempts: 1 } });
    expect(examples).toHaveLength(2);
    expect(summary.reasons).toEqual([
      { count: 1, first: 'hf:owner/repo', reason: expect.stringContaining('owner/repo is taken from the cache') },
    ]);
  });

  it('lists without the hub what the hub has, not only what is here', async () => {
    const spec = parseHubSpec('hf:owner/repo', 'dataset');
    await (await openSnapshot(spec, { cacheDir })).fetchFile('config.json');
    const offline = await openSnapshot(spec, { cacheDir, offline: true });
    expect(offline.files).toContain('model.safetensors');
    expect(offline.files).not.toContain('../outside.json');
    await expect(offline.fetchFile('model.safetensors')).rejects.toMatchObject({ code: 'HUB_UNREACHABLE' });
  });
});
