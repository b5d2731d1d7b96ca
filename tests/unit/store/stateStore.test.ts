import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RunError } from '../../../src/errors.js';
import { StateStore } from '../../../src/store/index.js';
import fc from '../../support/properties.js';
import { withFullDisk, withPowerCut } from './failing.js';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'state');
}

const blobs = (dir: string): string[] => readdirSync(join(dir, 'blobs')).sort();

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

const refusal = (code: string, text: string) =>
  expect.objectContaining({ constructor: RunError, code, message: expect.stringContaining(text) });

const tensor = fc.oneof(
  fc.float32Array({ maxLength: 5 }),
  fc.float64Array({ maxLength: 5 }),
  fc.int32Array({ maxLength: 5 }),
  fc.uint8Array({ maxLength: 9 }),
);
const key = fc.oneof(
  fc.string(),
  fc.constantFrom('$tensor', '$number', '$lazy', '$$', '$', '__proto__', 'constructor', '1'),
);
const value = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    tensor,
  ),
  node: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node;

describe('a saved state', () => {
  it('reads back as it was, to the bit', () => {
    const dir = folder();
    fc.assert(
      fc.property(value, fc.nat(10_000_000), (document, turn) => {
        const store = StateStore.open(dir, { keep: 1 });
        store.remove();
        store.save(turn, document);
        expect(store.turns()).toEqual([turn]);
        // Not `toEqual`, which looks at properties called `constructor` as at constructors.
        expect(isDeepStrictEqual(StateStore.open(dir).load(turn), document)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps tensors of any size, holes of zeros among them', () => {
    const store = StateStore.open(folder());
    const long = new Float32Array(1_500_000);
    long[3] = Number.NaN;
    long[700_000] = -0;
    long[1_499_999] = 1;
    const document = { long, zero: new Float64Array(400_001), none: new Int32Array(0) };
    store.save(1, document);
    const read = store.load(1) as typeof document;
    for (const name of ['long', 'zero', 'none'] as const) {
      expect(Buffer.compare(Buffer.from(read[name].buffer), Buffer.from(document[name].buffer)), name).toBe(0);
    }
  });

  it('keeps views of a part of their memory, of shared memory too, and nothing around them', () => {
    const store = StateStore.open(folder());
    const memory = new Float32Array(new SharedArrayBuffer(16));
    memory.set([1, 2, 3, 4]);
    store.save(0, { part: memory.subarray(1, 3) });
    const { part } = store.load(0) as { part: Float32Array };
    expect(part).toStrictEqual(Float32Array.from([2, 3]));
    expect(part.buffer.byteLength).toBe(8);
  });

  it('has what was one tensor as one again, and what was two as two', () => {
    const store = StateStore.open(folder());
    const one = Float32Array.from([1, 2]);
    store.save(0, { a: one, b: [one], other: Float32Array.from([1, 2]) });
    const read = store.load(0) as { a: unknown; b: unknown[]; other: unknown };
    expect(read.b[0]).toBe(read.a);
    expect(read.other).not.toBe(read.a);
    expect(read.other).toEqual(read.a);
    expect(blobs(store.dir)).toHaveLength(1);
  });

  it('takes tensors that are made one at a time', () => {
    const store = StateStore.open(folder());
    let made = 0;
    const make = (i: number) => ({
      $lazy: () => {
        made++;
        return Float32Array.from([i]);
      },
    });
    store.save(0, { list: [make(1), make(2)] });
    expect(made).toBe(2);
    expect(store.load(0)).toEqual({ list: [Float32Array.from([1]), Float32Array.from([2])] });
  });

  it('is not saved where a tensor that is made late is none', () => {
    const store = StateStore.open(folder());
    const document = { first: Float32Array.from([1]), late: { $lazy: () => new Uint16Array(1) } };
    expect(attempt(() => store.save(0, document))).toEqual(refusal('STATE_INVALID', 'Uint16Array'));
    expect(readdirSync(store.dir, { recursive: true })).toEqual(['blobs']);
  });

  it.each([
    ['a Map', { a: [{ b: new Map() }] }, 'a[0].b is of type Map'],
    ['a function', { a: () => 1 }, 'a is of type function'],
    ['a bigint', [1n], '[0] is of type bigint'],
    ['nothing in a list', [undefined], '[0] is of type undefined'],
    ['a tensor of another kind', { t: new Uint16Array(2) }, 't is of type Uint16Array'],
    ['a date', new Date(0), 'it is of type Date'],
  ])('with %s is refused by its place, and leaves nothing', (_, document, text) => {
    const store = StateStore.open(folder());
    const begun = { first: Float32Array.from([1]), document };
    expect(attempt(() => store.save(0, document))).toEqual(refusal('STATE_INVALID', text));
    expect(attempt(() => store.save(0, begun))).toEqual(refusal('STATE_INVALID', 'document'));
    expect(store.turns()).toEqual([]);
    expect(readdirSync(store.dir, { recursive: true })).toEqual([]);
  });

  it('is of a turn that counts', () => {
    const store = StateStore.open(folder());
    for (const turn of [-1, 0.5, Number.NaN]) {
      expect(attempt(() => store.save(turn, null))).toEqual(refusal('STATE_INVALID', String(turn)));
    }
  });

  it('of version 1 is told of by its version, and goes with the rest', () => {
    const dir = folder();
    mkdirSync(dir);
    writeFileSync(join(dir, 'round-000004.state'), 'FEDTUNE1');
    const store = StateStore.open(dir);
    for (const work of [() => store.turns(), () => store.load(4), () => store.save(5, null)]) {
      expect(attempt(work)).toEqual(refusal('STATE_VERSION', 'round-000004.state is a state of version 1'));
    }
    store.remove();
    expect(store.turns()).toEqual([]);
  });

  it('of a later version is told of by its version', () => {
    const store = StateStore.open(folder());
    store.save(1, { a: 1 });
    const text = readFileSync(store.path(1), 'utf8').replace('"version":2', '"version":3');
    const rest = text.slice(text.indexOf(',') + 1);
    const sha256 = createHash('sha256').update(rest).digest('hex');
    writeFileSync(store.path(1), `{"sha256":"${sha256}",${rest}`);
    expect(attempt(() => store.load(1))).toEqual(refusal('STATE_VERSION', 'a state of version 3'));
  });
});

describe('a large state', () => {
  it('lets others have their turn while it is saved and loaded', async () => {
    const store = StateStore.open(folder());
    const document = { a: new Float32Array(12e6).fill(1), b: new Float32Array(12e6).fill(2) };
    const turnsDuring = async (work: () => Promise<unknown>): Promise<number> => {
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      await work().finally(() => clearInterval(timer));
      return turns;
    };
    expect(await turnsDuring(() => store.saveInTurns(1, document))).toBeGreaterThan(2);
    expect(
      await turnsDuring(async () => expect(isDeepStrictEqual(await store.loadInTurns(1), document)).toBe(true)),
    ).toBeGreaterThan(1);
  });
});

describe('a store that a process may not write any more', () => {
  it('is as it was, also where that happens in the middle', () => {
    const dir = folder();
    StateStore.open(dir).save(1, { a: Float32Array.from([1]) });
    const before = readdirSync(dir, { recursive: true }).sort();
    const store = StateStore.open(dir, {
      keep: 1,
      check: () => {
        throw new RunError('LOCKED', 'not any more');
      },
    });
    for (const work of [
      () => store.save(1, { a: Float32Array.from([2]) }),
      () => store.save(2, { a: Float32Array.from([2]) }),
      () => store.keepOnly([]),
      () => store.remove(),
    ]) {
      expect(attempt(work)).toEqual(refusal('LOCKED', 'not any more'));
      expect(readdirSync(dir, { recursive: true }).sort()).toEqual(before);
    }
    expect(StateStore.open(dir).load(1)).toEqual({ a: Float32Array.from([1]) });
  });
});

describe('the states of a store', () => {
  const tensors = (...values: number[]) => values.map((x) => Float32Array.from([x]));

  it('share their tensors, each written once', () => {
    const store = StateStore.open(folder());
    const clients = Array.from({ length: 100 }, (_, i) => Float32Array.from([i, 7]));
    store.save(1, { clients, merged: Float32Array.from([0.5]) });
    const before = new Map(blobs(store.dir).map((name) => [name, statSync(join(store.dir, 'blobs', name)).ino]));
    expect(before.size).toBe(101);
    clients[42] = Float32Array.from([1000, 7]);
    // Another process has seen none of the blobs yet.
    StateStore.open(store.dir).save(2, { clients, merged: Float32Array.from([0.25]) });
    const after = blobs(store.dir);
    const written = after.filter((name) => statSync(join(store.dir, 'blobs', name)).ino !== before.get(name));
    expect(after).toHaveLength(103);
    expect(written).toHaveLength(2);
    expect(store.load(1)).not.toEqual(store.load(2));
  });

  it('go but for the newest ones that are kept, with the tensors that no other names', () => {
    const store = StateStore.open(folder(), { keep: 2 });
    for (const turn of [1, 2, 3, 4]) store.save(turn, tensors(0, turn, turn + 1));
    expect(store.turns()).toEqual([3, 4]);
    expect(blobs(store.dir)).toHaveLength(4);
    expect(store.load(3)).toEqual(tensors(0, 3, 4));
    store.save(2, tensors(9));
    expect(store.turns()).toEqual([2, 3, 4]);
    store.keepOnly([3, 77]);
    expect(store.turns()).toEqual([3]);
    expect(store.load(3)).toEqual(tensors(0, 3, 4));
    expect(blobs(store.dir)).toHaveLength(3);
  });

  it('leave nothing when they are removed, but what is not theirs', () => {
    const dir = folder();
    const store = StateStore.open(dir);
    expect(store.turns()).toEqual([]);
    store.remove();
    store.save(1, tensors(1));
    writeFileSync(join(dir, 'blobs', `${'a'.repeat(64)}.tmp`), '');
    writeFileSync(join(dir, '000002.json.tmp'), '');
    store.remove();
    expect(attempt(() => readdirSync(dir))).toMatchObject({ code: 'ENOENT' });
    store.save(1, tensors(1));
    for (const name of ['notes.json', 'blobs/notes']) writeFileSync(join(dir, name), 'mine');
    store.keepOnly([]);
    store.remove();
    expect(readdirSync(dir, { recursive: true }).sort()).toEqual(['blobs', 'blobs/notes', 'notes.json']);
  });

  it('make no folder before the first', () => {
    const dir = folder();
    const store = StateStore.open(dir);
    store.keepOnly([]);
    expect(store.turns()).toEqual([]);
    expect(attempt(() => readdirSync(dir))).toMatchObject({ code: 'ENOENT' });
  });
});

describe('a damaged state', () => {
  const DOCUMENT = {
    round: 3,
    values: Float32Array.from([1, Number.NaN, 3]),
    text: 'Straße',
    more: new Uint8Array(40),
  };

  function saved(): StateStore {
    const store = StateStore.open(folder());
    store.save(2, { round: 2, values: DOCUMENT.values });
    store.save(3, DOCUMENT);
    return store;
  }

  it('is refused by its file with any bit flipped, any end cut off, or more behind it', () => {
    const store = saved();
    const manifest = readFileSync(store.path(3), 'utf8');
    const files = ['000003.json', ...blobs(store.dir).map((name) => join('blobs', name))];
    expect(files).toHaveLength(3);
    for (const name of files) {
      const path = join(store.dir, name);
      const bytes = readFileSync(path);
      const refused = refusal('STATE_DAMAGED', path);
      const check = (altered: Buffer, what: string) => {
        writeFileSync(path, altered);
        const error = attempt(() => StateStore.open(store.dir).load(3));
        expect(error, `${what} of ${name}`).toEqual(refused);
        expect((error as Error).message).toContain(`Delete ${store.path(3)}, and nothing else`);
      };
      for (let at = 0; at < bytes.length; at++) {
        const altered = Buffer.from(bytes);
        altered[at] = altered[at]! ^ (1 << (at % 8));
        check(altered, `bit at byte ${at}`);
        check(bytes.subarray(0, at), `cut at byte ${at}`);
      }
      check(Buffer.concat([bytes, Buffer.from([0])]), 'a byte more');
      rmSync(path);
      expect(attempt(() => StateStore.open(store.dir).load(3))).toEqual(refused);
      writeFileSync(path, bytes);
    }
    expect(readFileSync(store.path(3), 'utf8')).toBe(manifest);
    expect(store.load(3)).toEqual(DOCUMENT);
  });

  it('can be left for the one before it, and what was damaged is written anew', () => {
    const store = saved();
    const name = blobs(store.dir).find((blob) => statSync(join(store.dir, 'blobs', blob)).size === 40)!;
    const path = join(store.dir, 'blobs', name);
    const bytes = readFileSync(path);
    // As long as it was: only its content tells.
    writeFileSync(
      path,
      bytes.map((byte) => byte ^ 1),
    );
    const again = StateStore.open(store.dir, { keep: 2 });
    expect(attempt(() => again.load(3))).toEqual(refusal('STATE_DAMAGED', path));
    rmSync(store.path(3));
    expect(again.turns()).toEqual([2]);
    again.save(3, DOCUMENT);
    expect(StateStore.open(store.dir).load(3)).toEqual(DOCUMENT);
  });

  it('does not take tensors with it that it may still name', () => {
    const store = saved();
    const bytes = readFileSync(store.path(3));
    writeFileSync(store.path(3), bytes.subarray(1));
    const leftover = join(store.dir, 'blobs', `${'0'.repeat(64)}.tmp`);
    writeFileSync(leftover, '');
    store.keepOnly([2, 3]);
    expect(attempt(() => statSync(leftover))).toMatchObject({ code: 'ENOENT' });
    writeFileSync(store.path(3), bytes);
    expect(store.load(3)).toEqual(DOCUMENT);
  });
});

describe('a power cut', () => {
  const stateOf = (turn: number) => ({
    turn,
    shared: Float32Array.from([1, 2, 3]),
    own: Float32Array.from([turn, -0]),
    again: Float32Array.from([Math.floor(turn / 2)]),
  });

  it('at any moment leaves every state whole that is there, and the last or the one before it', () => {
    const begun = folder();
    for (const turn of [1, 2]) StateStore.open(begun, { keep: 2 }).save(turn, stateOf(turn));
    let calls = Number.POSITIVE_INFINITY;
    for (let at = 1; at <= calls; at++) {
      const dir = folder();
      cpSync(begun, dir, { recursive: true });
      const made = withPowerCut(at, () => StateStore.open(dir, { keep: 2 }).save(3, stateOf(3)));
      if (made < at) calls = made;
      const after = StateStore.open(dir, { keep: 2 });
      const turns = after.turns();
      expect(
        [
          [1, 2],
          [1, 2, 3],
          [2, 3],
        ],
        `cut at call ${at}`,
      ).toContainEqual(turns);
      for (const turn of turns) expect(after.load(turn), `turn ${turn}, cut at call ${at}`).toEqual(stateOf(turn));
      // It goes on as if nothing had been, and cleans up.
      for (const turn of [3, 4]) after.save(turn, stateOf(turn));
      expect(after.turns()).toEqual([3, 4]);
      expect(readdirSync(dir, { recursive: true }).sort()).toEqual(
        ['000003.json', '000004.json', 'blobs', ...blobs(dir).map((name) => `blobs/${name}`)].sort(),
      );
      expect(blobs(dir)).toHaveLength(5);
    }
    expect(calls).toBeGreaterThan(15);
  });

  it('while states are removed leaves every state whole that is there', () => {
    let calls = Number.POSITIVE_INFINITY;
    for (let at = 1; at <= calls; at++) {
      const dir = folder();
      const store = StateStore.open(dir);
      for (const turn of [1, 2, 3]) store.save(turn, stateOf(turn));
      const made = withPowerCut(at, () => StateStore.open(dir).keepOnly([2]));
      if (made < at) calls = made;
      const after = StateStore.open(dir);
      for (const turn of after.turns()) expect(after.load(turn)).toEqual(stateOf(turn));
      expect(after.turns()).toContain(2);
    }
    expect(calls).toBeGreaterThan(4);
  });
});

describe('a full disk', () => {
  it('keeps the states before, takes nothing, and is told of', () => {
    // A write that fails once, not a power cut: what comes after it may clean up.
    const dir = folder();
    const store = StateStore.open(dir, { keep: 2 });
    store.save(1, { a: Float32Array.from([1]) });
    const before = readdirSync(dir, { recursive: true }).sort();
    const document = { a: Float32Array.from([1]), b: Float32Array.from([2]), c: Float32Array.from([3]) };
    for (let nth = 1; nth <= 3; nth++) {
      const error = withFullDisk(nth, () => attempt(() => store.save(2, document)));
      expect(error, `write ${nth}`).toEqual(refusal('WRITE_FAILED', 'the disk is full'));
      expect(readdirSync(dir, { recursive: true }).sort()).toEqual(before);
    }
    expect(StateStore.open(dir).load(1)).toEqual({ a: Float32Array.from([1]) });
    store.save(2, document);
    expect(store.load(2)).toEqual(document);
  });
});
