import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { RunFolder, type SavedRun } from '../../../src/run/folder.js';

const CONFIG = parseConfig({});
const PARTITION = '{"version":2,"clients":[]}\n';

function emptyFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-folder-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const everything = (dir: string) =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .map((entry) => [entry, join(entry.parentPath, entry.name)] as const)
      .map(([entry, path]) => [path, entry.isFile() ? readFileSync(path, 'hex') : 'folder']),
  );

/** A new run in its folder. */
async function create(dir: string, overwrite = false): Promise<RunFolder> {
  const folder = await RunFolder.claim(dir, overwrite);
  await folder.begin(CONFIG, PARTITION);
  return folder;
}

/** An owner moves in, with rows of its own. */
function moveIn(dir: string, owner: string): void {
  mkdirSync(join(dir, 'owners', owner), { recursive: true });
  writeFileSync(join(dir, 'owners', owner, 'rows.jsonl'), `${owner}\n`);
}

/** A run replaced as far as its owners go. */
async function replaced(dir: string): Promise<RunFolder> {
  const folder = await RunFolder.claim(dir, true);
  moveIn(dir, 'new');
  return folder;
}

/** A start that ends without another word after it has claimed its folder; only its lock is known for what it is. */
async function killed(dir: string, during: (dir: string) => void, overwrite = false): Promise<void> {
  const folder = await RunFolder.claim(dir, overwrite);
  during(dir);
  await folder.close();
}

const savedAfter = (round: number, events = { bytes: 0, sha256: '' }): SavedRun =>
  ({ config: CONFIG, events, loop: { round, values: Float32Array.from([round]) } }) as unknown as SavedRun;

const EVENT = { type: 'evaluation' } as unknown as Parameters<RunFolder['emit']>[0];

describe('a run folder', () => {
  it('that another run took over is not touched any more', async () => {
    const dir = emptyFolder();
    const folder = await create(dir);
    folder.emit(EVENT);
    const mark = await folder.syncEvents();
    for (const round of [0, 1]) await folder.saveState(savedAfter(round, mark));
    const lock = readFileSync(join(dir, '.lock'), 'utf8');
    writeFileSync(join(dir, '.lock'), JSON.stringify({ ...JSON.parse(lock), token: 'another' }));
    const before = everything(dir);
    const steps: [string, () => unknown][] = [
      ['emit', () => folder.emit(EVENT)],
      ['saveState', () => folder.saveState(savedAfter(2))],
      ['dropStatesAfter', () => folder.dropStatesAfter(0)],
      ['cutEvents', () => folder.cutEvents()],
      ['dropEvents', () => folder.dropEvents()],
      ['write', () => folder.write('metrics.json', '{}')],
      ['requireOwnership', () => folder.requireOwnership()],
    ];
    for (const [name, step] of steps) {
      await expect((async () => step())(), name).rejects.toMatchObject({ code: 'LOCKED' });
      expect(everything(dir), name).toEqual(before);
    }
    await folder.close();
    expect(everything(dir)).toEqual(before);
  });

  it.each([
    ['state/', 'state/000001.json', '{"a":1}'],
    ['state/ with what looks like an old state, but no config.yaml', 'state/round-000001.state', 'x'],
    ['a run.json of another kind', 'run.json', '{"name":"mine"}'],
    ['a run.json that is no JSON', 'run.json', 'go'],
  ])('is not one that holds %s', async (_, name, content) => {
    const dir = emptyFolder();
    for (const folder of ['state', 'adapters']) mkdirSync(join(dir, folder));
    writeFileSync(join(dir, name), content);
    writeFileSync(join(dir, 'adapters/mine'), 'mine');
    const before = everything(dir);
    for (const overwrite of [false, true]) {
      await expect(RunFolder.claim(dir, overwrite)).rejects.toMatchObject({ code: 'EXISTS' });
    }
    await expect(RunFolder.open(dir)).rejects.toMatchObject({ code: 'NOT_A_RUN' });
    expect(everything(dir)).toEqual(before);
  });

  it('of a later version is told of, and may be replaced', async () => {
    const dir = emptyFolder();
    await (await create(dir)).close();
    writeFileSync(join(dir, 'run.json'), '{"fedtune_run":99}');
    await expect(RunFolder.open(dir)).rejects.toMatchObject({
      code: 'STATE_VERSION',
      message: expect.stringContaining('version 99'),
    });
    await (await create(dir, true)).close();
    await (await RunFolder.open(dir)).close();
  });

  it('that holds a run is refused as it is, and replaced whole on request', async () => {
    const dir = emptyFolder();
    const folder = await create(dir);
    await folder.saveState(savedAfter(0));
    await folder.write('metrics.json', '{}');
    mkdirSync(join(dir, 'owners/one'), { recursive: true });
    await folder.close();
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    const before = everything(dir);
    await expect(RunFolder.claim(dir)).rejects.toMatchObject({ code: 'EXISTS' });
    expect(everything(dir)).toEqual(before);
    await (await create(dir, true)).close();
    expect(readdirSync(dir).sort()).toEqual(['config.yaml', 'notes.txt', 'partition.json', 'run.json']);
  });

  it('of a start that is refused is left as it was, or not there at all', async () => {
    const around = emptyFolder();
    const dir = join(around, 'deep', 'new');
    const fresh = await RunFolder.claim(dir);
    moveIn(dir, 'one');
    await fresh.abandon();
    expect(readdirSync(around)).toEqual([]);

    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    const before = everything(dir);
    const folder = await RunFolder.claim(dir);
    moveIn(dir, 'one');
    await folder.abandon();
    expect(everything(dir)).toEqual(before);
  });

  it.each([
    ['before its owners came', () => {}],
    ['while its owners came', (dir: string) => moveIn(dir, 'half')],
  ])('of a start that was killed %s can be claimed again', async (_, die) => {
    const dir = emptyFolder();
    await killed(dir, die);
    // It is no run, and says so; a new start needs no --overwrite.
    await expect(RunFolder.open(dir)).rejects.toMatchObject({ code: 'NOT_A_RUN' });
    const folder = await RunFolder.claim(dir);
    expect(existsSync(join(dir, 'owners'))).toBe(false);
    moveIn(dir, 'one');
    await folder.begin(CONFIG, PARTITION);
    await folder.close();
    expect(readdirSync(join(dir, 'owners'))).toEqual(['one']);
    await (await RunFolder.open(dir)).close();
  });

  it.each([
    ['is refused', async (dir: string) => (await replaced(dir)).abandon()],
    ['was killed', (dir: string) => killed(dir, (dir) => moveIn(dir, 'new'), true)],
  ])('whose replacement %s keeps its run whole, with its owners', async (_, end) => {
    const dir = emptyFolder();
    const folder = await RunFolder.claim(dir);
    moveIn(dir, 'one');
    moveIn(dir, 'two');
    await folder.begin(CONFIG, PARTITION);
    await folder.saveState(savedAfter(0));
    await folder.write('metrics.json', '{}');
    await folder.close();
    const before = everything(dir);
    await end(dir);
    const again = await RunFolder.open(dir);
    expect(await again.loadState()).toEqual(savedAfter(0));
    await again.close();
    expect(everything(dir)).toEqual(before);
  });

  it('is another run’s with everything, owners too, once the replacement has begun', async () => {
    const dir = emptyFolder();
    const folder = await RunFolder.claim(dir);
    moveIn(dir, 'one');
    await folder.begin(CONFIG, PARTITION);
    await folder.saveState(savedAfter(0));
    await folder.close();
    const next = await replaced(dir);
    await next.begin(CONFIG, PARTITION);
    expect(await next.loadState()).toBe(undefined);
    await next.close();
    expect(readdirSync(join(dir, 'owners'))).toEqual(['new']);
    expect(readdirSync(dir).sort()).toEqual(['config.yaml', 'owners', 'partition.json', 'run.json']);
  });

  it('gives back the newest state up to a round, and keeps two', async () => {
    const dir = emptyFolder();
    const folder = await create(dir);
    expect(await folder.loadState()).toBe(undefined);
    for (const round of [0, 1, 2, 3]) await folder.saveState(savedAfter(round));
    expect(await folder.loadState()).toEqual(savedAfter(3));
    expect(await folder.loadState(2)).toEqual(savedAfter(2));
    expect(await folder.loadState(1)).toBe(undefined);
    await folder.dropStatesAfter(2);
    expect(await folder.loadState()).toEqual(savedAfter(2));
    await folder.close();
  });
});

describe('the events of a run', () => {
  it('go on from a mark to the same mark, whatever came behind it', async () => {
    const dir = emptyFolder();
    const path = join(dir, 'events.jsonl');
    const first = await create(dir);
    // Longer than a piece of a stream.
    for (let i = 0; i < 3000; i++) first.emit({ ...EVENT, text: 'Straße'.repeat(i % 9) } as unknown as typeof EVENT);
    const mark = await first.syncEvents();
    expect(mark.bytes).toBe(readFileSync(path).length);
    await first.close();
    const before = readFileSync(path);
    appendFileSync(path, '{"half of a li');

    const second = await RunFolder.open(dir);
    await second.checkEvents(mark);
    await second.cutEvents();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(await second.syncEvents()).toEqual(mark);
    second.emit(EVENT);
    const later = await second.syncEvents();
    await second.checkEvents(later);
    writeFileSync(path, before.fill('x', 10, 11));
    await expect(second.checkEvents(mark)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    rmSync(path);
    await expect(second.checkEvents(mark)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    await second.checkEvents({ bytes: 0, sha256: (await second.syncEvents()).sha256 });
    await second.close();
  });

  it('are dropped unless they tell of a round, wherever a piece of the file ends', async () => {
    const dir = emptyFolder();
    const path = join(dir, 'events.jsonl');
    const folder = await create(dir);
    for (const offset of [0, 65_536 - 6, 65_536]) {
      writeFileSync(path, `${' '.repeat(offset)}{"time":1,"type":"round"}\n`);
      await expect(folder.dropEvents()).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    }
    writeFileSync(path, '{"type":"start"}\n');
    await folder.dropEvents();
    expect(readdirSync(dir)).not.toContain('events.jsonl');
    folder.emit(EVENT);
    expect((await folder.syncEvents()).bytes).toBe(readFileSync(path).length);
    await folder.close();
  });
});
