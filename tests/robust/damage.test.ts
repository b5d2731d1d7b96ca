import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/model/index.js';
import { Base } from '../../src/native/engine.js';
import { fedtune, makeWorkFolder, outcomeOf, root, workFolder, writeRunFile } from './cli.js';

const SETTINGS = { method: 'fedavg', partition: 'iid', num_clients: 4 };

/** A finished run of two rounds, in `run/`; every test damages a copy. */
let finished: string;
let outcome: Record<string, unknown>;

beforeAll(async () => {
  finished = await makeWorkFolder();
  await writeRunFile(finished, SETTINGS);
  const { code, stderr } = await fedtune(finished, ['run', 'run.yaml']);
  expect(code, stderr).toBe(0);
  outcome = await outcomeOf(finished);
  return () => rm(finished, { recursive: true, force: true });
});

/** A copy that was cut before its end, but for its scores: of a finished run a resume has nothing to do. */
async function copy({ reported = false } = {}): Promise<string> {
  const cwd = await workFolder();
  await cp(finished, cwd, { recursive: true });
  if (!reported) await rm(join(cwd, 'run/report.html'));
  return cwd;
}

const resume = (cwd: string, ...flags: string[]) => fedtune(cwd, ['run', '--resume', 'run', ...flags]);

async function edit(path: string, change: (content: Buffer) => Buffer): Promise<void> {
  await writeFile(path, change(await readFile(path)));
}

const flip =
  (share: number) =>
  (content: Buffer): Buffer => {
    const at = Math.floor(share * content.length);
    content[at] = content[at]! ^ 1;
    return content;
  };
const cutAt =
  (share: number) =>
  (content: Buffer): Buffer =>
    content.subarray(0, Math.floor(share * content.length));

const STATE = 'state/000002.json';
const OWNER = 'client-1';
/** Every file of a folder. */
async function editEach(dir: string, change: (content: Buffer) => Buffer): Promise<void> {
  for (const name of await readdir(dir)) await edit(join(dir, name), change);
}
/** A tensor of the newest state that no other has. */
async function newestBlob(blobs: string): Promise<string> {
  const named = async (manifest: string) => {
    const { tensors } = JSON.parse(await readFile(join(blobs, '..', manifest), 'utf8'));
    return (tensors as { sha256: string }[]).map(({ sha256 }) => sha256);
  };
  const before = await named('000001.json');
  const own = (await named('000002.json')).find((sha256) => !before.includes(sha256));
  return join(blobs, own!);
}

const editNewest = async (blobs: string, change: (content: Buffer) => Buffer): Promise<void> =>
  edit(await newestBlob(blobs), change);

const DAMAGES: readonly (readonly [string, string, (path: string) => Promise<void>])[] = [
  ['a flipped byte', STATE, (path) => edit(path, flip(0.6))],
  ['a cut end', STATE, (path) => edit(path, cutAt(0.99))],
  ['nothing in it', STATE, (path) => edit(path, cutAt(0))],
  ['a flipped byte in a tensor', 'state/blobs', (path) => editNewest(path, flip(0.4))],
  ['a tensor cut short', 'state/blobs', (path) => editNewest(path, cutAt(0.5))],
  ['a tensor missing', 'state/blobs', async (path) => rm(await newestBlob(path))],
  ['nothing there', 'run.json', (path) => rm(path)],
  ['a flipped byte', 'run.json', (path) => edit(path, flip(0.3))],
  ['a flipped byte', 'partition.json', (path) => edit(path, flip(0.5))],
  ['nothing there', 'partition.json', (path) => rm(path)],
  ['another object', 'partition.json', (path) => writeFile(path, '{}')],
  [
    'an owner elsewhere',
    'partition.json',
    async (path) => writeFile(path, (await readFile(path, 'utf8')).replace('"folder": "', '"folder": "../')),
  ],
  ['a flipped byte', 'events.jsonl', (path) => edit(path, flip(0.3))],
  ['a cut end', 'events.jsonl', (path) => edit(path, cutAt(0.5))],
  ['nothing there', 'events.jsonl', (path) => rm(path)],
  ['nothing there', 'config.yaml', (path) => rm(path)],
  [
    'nothing in it',
    'state',
    async (path) => {
      for (const name of await readdir(path)) await rm(join(path, name), { recursive: true });
    },
  ],
];

describe('a damaged run folder', () => {
  it.each(DAMAGES)('with %s at %s is refused by that name, and kept', async (_, name, damage) => {
    const cwd = await copy();
    await damage(join(cwd, 'run', name));
    const { code, stderr } = await resume(cwd);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^RunError: /m);
    expect(stderr).toContain(name === 'config.yaml' ? name : join('run', name));
    const metrics = (dir: string) => readFile(join(dir, 'run/metrics.json'), 'utf8');
    expect(await metrics(cwd)).toBe(await metrics(finished));
  });

  it('goes without the rows of an owner no further: they are needed to know the data again', async () => {
    const cwd = await copy();
    const rows = join('run/owners', OWNER, 'rows.jsonl');
    await rm(join(cwd, rows));
    const gone = await resume(cwd);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain(rows);
    await writeFile(join(cwd, rows), '{"id":"a:1","instruction":');
    const torn = await resume(cwd);
    expect(torn.code).toBe(1);
    expect(torn.stderr).toMatch(/^DataError: .*rows\.jsonl/m);
    // What an owner has in its rows stays with it.
    expect(torn.stderr).not.toContain('instruction');
  });

  it('goes on with tokens that are damaged: they are made of the rows again, to the same bits', async () => {
    const cwd = await copy();
    const blobs = join(cwd, 'run/owners', OWNER, 'tokens/blobs');
    for (const name of await readdir(blobs)) await edit(join(blobs, name), cutAt(0.5));
    await rm(join(cwd, 'run', STATE));
    const { code, stderr } = await resume(cwd);
    expect(code, stderr).toBe(0);
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });

  it.each([
    ['a flipped byte in a tensor', (blobs: string) => editEach(blobs, flip(0.4))],
    ['its tensors missing', (blobs: string) => rm(blobs, { recursive: true })],
    ['a manifest cut short', (blobs: string) => edit(join(blobs, '../000001.json'), cutAt(0.6))],
  ])('with %s of an owner’s state ends with an error that names it', async (_, damage) => {
    const cwd = await workFolder();
    // A method whose owners keep what cannot be made again.
    await writeRunFile(cwd, { ...SETTINGS, method: 'local', num_rounds: 1 });
    expect((await fedtune(cwd, ['run', 'run.yaml'])).code).toBe(0);
    const blobs = join('run/owners', OWNER, 'state/main/blobs');
    await damage(join(cwd, blobs));
    await rm(join(cwd, 'run/report.html'));
    const { code, stderr } = await resume(cwd);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^RunError: /m);
    expect(stderr).toContain(join('owners', OWNER, 'state/main'));
  });

  it('goes on from the state before a damaged one that was deleted, to the same bits', async () => {
    const cwd = await copy();
    await rm(join(cwd, 'run', STATE));
    const { code, stderr } = await resume(cwd);
    expect(code, stderr).toBe(0);
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });

  it.each([
    ['a tensor of it', async (blobs: string) => editNewest(blobs, flip(0.5))],
    ['its manifest', async (blobs: string) => edit(join(blobs, '../000002.json'), flip(0.5))],
  ])('goes on as its refusal says, after %s was damaged, to the same bits', async (_, damage) => {
    const cwd = await copy();
    await damage(join(cwd, 'run/state/blobs'));
    const refused = await resume(cwd);
    const [, named] = /Delete (\S+), and nothing else,/.exec(refused.stderr) ?? [];
    expect(named, refused.stderr).toBe(join(cwd, 'run', STATE));
    await rm(named!);
    const { code, stderr } = await resume(cwd);
    expect(code, stderr).toBe(0);
    expect(await outcomeOf(cwd)).toEqual(outcome);
    // Whole again, and not only in its names.
    const again = await resume(cwd);
    expect(again.code, again.stderr).toBe(0);
  });

  it('of version 1 is told of by its version, and may be replaced', async () => {
    const cwd = await copy();
    await rm(join(cwd, 'run/state'), { recursive: true });
    await rm(join(cwd, 'run/run.json'));
    await mkdir(join(cwd, 'run/state'));
    await writeFile(join(cwd, 'run/state/round-000002.state'), 'FEDTUNE1');
    for (const args of [
      ['run', '--resume', 'run'],
      ['run', 'run.yaml', '--overwrite'],
    ]) {
      const { code, stderr } = await fedtune(cwd, args);
      if (args.includes('--resume')) {
        expect(code).toBe(1);
        expect(stderr).toMatch(/^RunError: .*round-000002\.state is a state of version 1.*--overwrite replaces it/m);
      } else expect(code, stderr).toBe(0);
    }
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });

  it('does not export what is torn', async () => {
    const cwd = await copy();
    const weights = join(cwd, 'run/adapters/global/adapter_model.safetensors');
    await edit(weights, cutAt(0.7));
    const out = ['--client', 'global', '--format', 'gguf', '--out', 'out'];
    const torn = await fedtune(cwd, ['export', 'run', ...out]);
    expect(torn.code).toBe(1);
    expect(torn.stderr).toMatch(/^AdapterError: .*adapter_model\.safetensors/m);
    await edit(join(cwd, 'run/partition.json'), cutAt(0.5));
    const lost = await fedtune(cwd, ['export', 'run', ...out]);
    expect(lost.stderr).toMatch(/^RunError: .*partition\.json/m);
  });
});

describe('a resume of a finished run', () => {
  it('says at once that it is finished and what to do, without its base', async () => {
    const cwd = await workFolder();
    await cp(join(root, 'datasets/base/tiny.gguf'), join(cwd, 'base.gguf'));
    const settings = { ...SETTINGS, model: 'base.gguf', num_rounds: 1, output_dir: 'my run' };
    await writeRunFile(cwd, settings);
    expect((await fedtune(cwd, ['run', 'run.yaml'])).code).toBe(0);
    const { timing: _, ...metrics } = JSON.parse(await readFile(join(cwd, 'my run/metrics.json'), 'utf8'));
    await rename(join(cwd, 'base.gguf'), join(cwd, 'away.gguf'));
    const { code, stdout, stderr } = await fedtune(cwd, ['run', '--resume', 'my run', '--workers', '2']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^The run in my run is finished: 1 round\. There is nothing to go on with\./);
    expect(stdout).toContain("npx fedtune chat 'my run' --owner client-0\n");
    const { timing: __, ...printed } = JSON.parse((await fedtune(cwd, ['run', '--resume', 'my run', '--json'])).stdout);
    expect(printed).toEqual(metrics);
    // What is wanted of it now, or is not there, is done, for which the base is needed.
    const more = await fedtune(cwd, ['run', '--resume', 'my run', '--num-rounds', '2']);
    expect(more.stderr).toContain('base.gguf');
    await rm(join(cwd, 'my run/adapters'), { recursive: true });
    expect((await fedtune(cwd, ['run', '--resume', 'my run'])).stderr).toContain('base.gguf');
    await rename(join(cwd, 'away.gguf'), join(cwd, 'base.gguf'));
    expect((await fedtune(cwd, ['run', '--resume', 'my run'])).code).toBe(0);
    expect(await readdir(join(cwd, 'my run/adapters'))).toContain('client-0');
    // Altered where the run looks, it is refused as before.
    await edit(join(cwd, 'my run/partition.json'), flip(0.5));
    const altered = await fedtune(cwd, ['run', '--resume', 'my run']);
    expect(altered.code).toBe(1);
    expect(altered.stderr).toContain('partition.json');
  });
});

describe('a resume with another configuration', () => {
  it('is refused with every difference', async () => {
    const cwd = await copy({ reported: true });
    const { code, stderr } = await resume(cwd, '--learning-rate', '0.1', '--seed', '5', '--num-rounds', '1');
    expect(code).toBe(2);
    expect(stderr).toContain('learning_rate: 0.003 -> 0.1');
    expect(stderr).toContain('seed: 42 -> 5');
    expect(stderr).toContain('num_rounds: 2 -> 1 (it may grow, not shrink)');
    expect(await outcomeOf(cwd)).toEqual(outcome);
  });

  it('is refused where config.yaml itself was changed', async () => {
    const cwd = await copy();
    await edit(join(cwd, 'run/config.yaml'), (text) => Buffer.from(String(text).replace('lora_r: 4', 'lora_r: 2')));
    const { code, stderr } = await resume(cwd);
    expect(code).toBe(2);
    expect(stderr).toContain('lora_r: 4 -> 2');
  });

  it('may have more rounds, other workers and another folder', async () => {
    const long = await workFolder();
    await writeRunFile(long, { ...SETTINGS, num_rounds: 4, eval_every: 3 });
    expect((await fedtune(long, ['run', 'run.yaml'])).code).toBe(0);

    const cwd = await workFolder();
    await writeRunFile(cwd, { ...SETTINGS, num_rounds: 2, eval_every: 3, output_dir: 'elsewhere' });
    expect((await fedtune(cwd, ['run', 'run.yaml'])).code).toBe(0);
    await rename(join(cwd, 'elsewhere'), join(cwd, 'run'));
    const grown = await resume(cwd, '--num-rounds', '4', '--workers', '2', '--threads', '2');
    expect(grown.code, grown.stderr).toBe(0);
    const differs = { output_dir: 'elsewhere', num_rounds: 2 };
    const expected = await outcomeOf(long);
    const events = (expected.events as Record<string, unknown>[]).map((event) =>
      event.type === 'start' ? { ...event, config: { ...(event.config as object), ...differs } } : event,
    );
    expect(await outcomeOf(cwd)).toEqual({ ...expected, events });
  });

  it('cannot grow without the state that a longer run starts from', async () => {
    const cwd = await copy();
    await rm(join(cwd, 'run/state/000001.json'));
    const { code, stderr } = await resume(cwd, '--num-rounds', '3');
    expect(code).toBe(1);
    expect(stderr).toContain('the state before round 2 is missing');
  });
});

describe('a start whose method fails at the server', () => {
  it('leaves the run before as it was, nothing locked and nothing running', async () => {
    const cwd = await copy({ reported: true });
    await writeFile(
      join(cwd, 'broken.mjs'),
      `import { averaging } from ${JSON.stringify(join(root, 'dist/index.js'))};
      const server = () => { throw new Error('no server today'); };
      export default averaging({ id: 'broken', summary: '', capabilities: { gives: ['global'] }, options: {}, server });`,
    );
    await writeRunFile(cwd, { ...SETTINGS, strategy: 'broken.mjs' });
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml', '--overwrite']);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('no server today');
    expect(await outcomeOf(cwd)).toEqual(outcome);
    expect(await readdir(join(cwd, 'run'))).not.toContain('.lock');
  });
});

describe('a resume with other inputs', () => {
  it('goes on without the files that the rows were dealt out of, and is refused where an owner has others', async () => {
    const cwd = await workFolder();
    const rows = Array.from({ length: 40 }, (_, i) => ({ instruction: `Say ${i}.`, output: `It is ${i * 7}.` }));
    await writeFile(join(cwd, 'rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const settings = { ...SETTINGS, data: 'rows.jsonl', partition: 'iid', num_clients: 2, num_rounds: 1 };
    await writeRunFile(cwd, settings);
    expect((await fedtune(cwd, ['run', 'run.yaml'])).code).toBe(0);
    await rm(join(cwd, 'rows.jsonl'));
    await rm(join(cwd, 'run/report.html'));
    const without = await resume(cwd);
    expect(without.code, without.stderr).toBe(0);
    const dealt = join(cwd, 'run/owners/client-1/rows.jsonl');
    await writeFile(dealt, (await readFile(dealt, 'utf8')).replaceAll('It is', 'It was'));
    await rm(join(cwd, 'run/report.html'));
    const { code, stderr } = await resume(cwd);
    expect(code).toBe(1);
    expect(stderr).toContain('the data that this run was started with');
  });

  it('is refused under another kernel set, unless that is named', async ({ skip }) => {
    const model = await loadModel('embedded');
    using base = new Base({ description: model.description, precision: 'int8', kernels: 'auto' });
    if (base.kernels === 'portable') skip('this processor has no other kernel set than "portable"');
    const cwd = await workFolder();
    await writeRunFile(cwd, { ...SETTINGS, kernels: 'portable', num_rounds: 1 });
    expect((await fedtune(cwd, ['run', 'run.yaml'])).code).toBe(0);
    const refused = await resume(cwd, '--kernels', 'auto');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`--kernels ${base.kernels}`);
    const named = await resume(cwd, '--kernels', base.kernels);
    expect(named.code, named.stderr).toBe(0);
    const { events } = await outcomeOf(cwd);
    expect(events).toContainEqual({ type: 'kernels', before: 'portable', after: base.kernels });
  });
});
