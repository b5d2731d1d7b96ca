import { describe, expect, it } from 'vitest';
import type { Part } from '../../../src/adapter/part.js';
import { parseConfig } from '../../../src/config/parse.js';
import { WHICH } from '../../../src/contracts/evaluation.js';
import type { Reply, Request, WireError } from '../../../src/contracts/messages.js';
import { FedtuneError } from '../../../src/errors.js';
import { decodeReply, decodeRequest, encodeMessage, joinMessage } from '../../../src/links/codec.js';
import fc from '../../support/properties.js';

const count = fc.nat({ max: 2 ** 31 });
const seed = fc.nat({ max: 0xffff_ffff });
const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
/** Every float that a vector can hold; NaN has one form, as bits of others do not survive in JavaScript. */
const floats = fc.float32Array({ maxLength: 40 });
const part: fc.Arbitrary<Part> = fc.record({
  ranks: fc.oneof(fc.nat(64), fc.array(fc.nat(64), { maxLength: 5 })),
  factors: fc.constantFrom('A', 'B', 'both'),
  mask: fc.constantFrom('none', 'known', 'element', 'rank'),
  values: floats,
  bits: fc.uint8Array({ maxLength: 9 }),
});
/** JSON with keys and numbers that JSON itself would lose or change. */
const note = fc
  .jsonValue()
  .map((value) => ({ value, $tensor: 3, $: 'x', minusZero: -0, infinite: Number.POSITIVE_INFINITY }));
const sending = {
  parts: fc.dictionary(fc.constantFrom('adapter', 'control', 'gate'), part),
  note: fc.oneof(note, fc.constant(null)),
};
const states = fc.record({ main: count, local: count });

const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    kind: fc.constant('describe' as const),
    config: fc.constant(parseConfig({ method: 'perfit', seed: 7 })),
    baseSha256: hex,
    tokenizerSha256: hex,
    templateSha256: fc.option(hex),
    rank: fc.integer({ min: 1, max: 64 }),
    givenSplits: fc.subarray(['valid', 'test'] as const),
  }),
  fc.record({
    kind: fc.constant('train' as const),
    arm: fc.constantFrom('main', 'local'),
    round: count,
    turn: fc.integer({ min: 1, max: 2 ** 31 }),
    attempt: count,
    seed,
    state: count,
    keep: fc.array(count, { maxLength: 3 }),
    ...sending,
  }),
  fc.record({
    kind: fc.constant('score' as const),
    round: count,
    split: fc.constantFrom('valid', 'test'),
    which: fc.subarray([...WHICH]),
    states,
    ...sending,
  }),
  fc.record({ kind: fc.constant('finish' as const), round: count, seed, states, ...sending }),
);

const wireError: fc.Arbitrary<WireError> = fc.letrec<{ error: WireError }>((tie) => ({
  error: fc.record({
    name: fc.string(),
    code: fc.string(),
    message: fc.string({ unit: 'binary' }),
    exitCode: fc.constantFrom(1, 2, 130),
    stack: fc.option(fc.string()),
    cause: fc.option(tie('error'), { maxDepth: 3 }),
  }),
})).error;
const sums = fc.dictionary(fc.constantFrom(...WHICH), fc.record({ nll: fc.double(), tokens: count }));
const counts = fc.record({ examples: count, tokens: count, targets: count });

const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({
    kind: fc.constant('description' as const),
    train: counts,
    valid: counts,
    test: counts,
    categories: fc.dictionary(fc.string(), count, { maxKeys: 3 }),
    dropped: fc.record({ long: count, empty: count, refused: count, repeated: count }),
    numCut: count,
    numTargetsLost: count,
    dataSha256: hex,
    baseSha256: hex,
    kernels: fc.constantFrom('vnni', 'portable'),
  }),
  fc.record({
    kind: fc.constant('update' as const),
    round: count,
    turn: fc.integer({ min: 1, max: 2 ** 31 }),
    ...sending,
    losses: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
    tokens: fc.record({ train: count, search: count, targets: count }),
    seconds: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => Float64Array.of(value)),
  }),
  fc.record({ kind: fc.constant('scored' as const), scores: sums, tokens: count }),
  fc.record({
    kind: fc.constant('finished' as const),
    valid: sums,
    test: sums,
    takeHome: fc.constantFrom(...WHICH),
    tokens: fc.record({ eval: count, tune: count, local: count }),
    tuneFailure: fc.option(wireError),
  }),
  fc.record({ kind: fc.constant('error' as const), error: wireError }),
) as fc.Arbitrary<Reply>;

const bytesOf = (message: Request | Reply): Uint8Array => joinMessage(encodeMessage(message));

/** Whatever comes in, a message comes out or FedtuneError BAD_MESSAGE. */
function decodeOrRefuse(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(FedtuneError);
    expect((error as FedtuneError).code).toBe('BAD_MESSAGE');
    return false;
  }
}

describe('messages', () => {
  it('come back as they were, bit by bit', () => {
    const holds = (decode: (bytes: Uint8Array) => unknown) => (message: Request | Reply) => {
      expect(decode(bytesOf(message))).toEqual(message);
    };
    fc.assert(fc.property(request, holds(decodeRequest)));
    fc.assert(fc.property(reply, holds(decodeReply)));
  });

  it('come back as they were in one piece or with their tensors beside them, which are not copied', () => {
    fc.assert(
      fc.property(reply, (message) => {
        const encoded = encodeMessage(message);
        const decoded = decodeReply(encoded);
        expect(decoded).toEqual(message);
        const tensors = encodeMessage(decoded).tensors;
        tensors.forEach((tensor, i) => {
          expect(tensor).toBe(encoded.tensors[i]);
        });
      }),
    );
  });

  it('are refused where the tensors beside them are not those of the header', () => {
    const message = encodeMessage({
      kind: 'update',
      ...{ round: 1, turn: 1, note: null, losses: [], tokens: { train: 1, search: 0, targets: 1 } },
      parts: {
        adapter: { ranks: 1, factors: 'both', mask: 'none', values: Float32Array.of(1, 2), bits: new Uint8Array(8) },
      },
      seconds: Float64Array.of(1),
    });
    const [values, bits, seconds] = message.tensors;
    for (const tensors of [[], [values!, bits!], [bits!, values!, seconds!], [Float32Array.of(1), bits!, seconds!]]) {
      expect(() => decodeReply({ ...message, tensors })).toThrow(/are not those of its header/);
    }
    expect(() => decodeReply({ ...message, tensors: [...message.tensors, bits!] })).toThrow(FedtuneError);
  });

  it('have the length that is counted, and are read from any place in memory', () => {
    fc.assert(
      fc.property(request, fc.nat(9), (message, shift) => {
        const encoded = encodeMessage(message);
        const bytes = joinMessage(encoded);
        expect(bytes.length).toBe(encoded.bytes);
        const moved = new Uint8Array(bytes.length + shift);
        moved.set(bytes, shift);
        expect(decodeRequest(moved.subarray(shift))).toEqual(message);
      }),
    );
  });

  it('weigh what follows from their content: not what a clock says, nor which of their arrays are one object', () => {
    const bits = new Uint8Array(0);
    const values = Float32Array.of(1, 2);
    const own = { ranks: 4, factors: 'both', mask: 'none', values, bits } as const;
    const weigh = (other: Part, seconds: number) =>
      encodeMessage({
        kind: 'update',
        round: 1,
        turn: 1,
        parts: { adapter: own, branch: other },
        note: null,
        losses: [0.5],
        tokens: { train: 1, search: 0, targets: 1 },
        seconds: Float64Array.of(seconds),
      }).bytes;
    const copied = { ...own, values: values.slice(), bits: bits.slice() };
    for (const seconds of [0, 1, 0.123456789012345, 1234.5]) {
      expect(weigh(own, seconds)).toBe(weigh(own, 0));
      expect(weigh(copied, seconds)).toBe(weigh(own, 0));
    }
  });

  it('carry little beyond their tensors', () => {
    const values = new Float32Array(19_200);
    const update = { ranks: 4, factors: 'both', mask: 'none', values, bits: new Uint8Array(0) } as const;
    const { bytes } = encodeMessage({
      kind: 'train',
      arm: 'main',
      round: 10,
      turn: 10,
      attempt: 0,
      seed: 0xffff_ffff,
      state: 9,
      keep: [8, 9],
      parts: { adapter: update },
      note: null,
    });
    expect(bytes - values.byteLength).toBeLessThan(0.01 * values.byteLength);
  });

  it('do not copy the tensors of a part that many get', () => {
    const values = Float32Array.of(1, 2, 3);
    const bits = new Uint8Array(0);
    const message = (state: number): Request => ({
      kind: 'score',
      round: 1,
      split: 'test',
      which: ['global'],
      states: { main: state, local: 0 },
      parts: { adapter: { ranks: 1, factors: 'both', mask: 'none', values, bits } },
      note: null,
    });
    expect(encodeMessage(message(1)).tensors[0]).toBe(values);
    expect(encodeMessage(message(2)).tensors[0]).toBe(values);
  });

  it('are refused by name where they are cut, longer, of another version, or not what was asked for', () => {
    const scored: Reply = { kind: 'scored', scores: { base: { nll: 1, tokens: 2 } }, tokens: 3 };
    const bytes = bytesOf(scored);
    const edited = (from: string, to: string) => {
      const text = Buffer.from(bytes).toString('latin1');
      return Buffer.from(text.replace(from, to.padEnd(from.length)), 'latin1');
    };
    const cases: [string, Uint8Array][] = [
      ['only 0 bytes', new Uint8Array(0)],
      ['does not begin', Buffer.from('no message at all')],
      ['should have', bytes.subarray(0, bytes.length - 8)],
      ['8 bytes behind', Buffer.concat([bytes, new Uint8Array(8)])],
      ['received version 2', edited('"version":1', '"version":2')],
      ['no JSON', edited('"version":1', '"version":')],
      ['kind is not as expected', edited('"scored"', '"other"')],
      ['tokens is not as expected', edited('"tokens":3', '"token$":3')],
    ];
    for (const [what, wrong] of cases) expect(() => decodeReply(wrong), what).toThrow(what);
    expect(() => decodeRequest(bytes)).toThrow('kind');
  });

  it('refuse what could not be read again', () => {
    const update = (note: unknown) =>
      encodeMessage({ kind: 'finish', round: 1, seed: 1, states: { main: 1, local: 1 }, parts: {}, note });
    expect(() => update(new Map())).toThrow('cannot be encoded');
    expect(() => update(() => {})).toThrow('cannot be encoded');
  });

  it('never crash, however they are altered (10,000 of them)', () => {
    const edit = fc.record({ at: fc.nat(), to: fc.nat(255), kind: fc.constantFrom('set', 'cut', 'double', 'drop') });
    let refused = 0;
    const check =
      (decode: (bytes: Uint8Array) => unknown) =>
      (message: Request | Reply, edits: { at: number; to: number; kind: string }[]) => {
        let bytes: Uint8Array = bytesOf(message);
        for (const { at, to, kind } of edits) {
          const place = bytes.length === 0 ? 0 : at % bytes.length;
          if (kind === 'set') bytes[place] = to;
          if (kind === 'cut') bytes = bytes.slice(0, place);
          if (kind === 'double') bytes = Buffer.concat([bytes, bytes.slice(place)]);
          if (kind === 'drop') bytes = Buffer.concat([bytes.slice(0, place), bytes.slice(place + 1 + (to % 16))]);
        }
        if (!decodeOrRefuse(decode, bytes)) refused++;
      };
    const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(request, edits, check(decodeRequest)), { numRuns: 5000 });
    fc.assert(fc.property(reply, edits, check(decodeReply)), { numRuns: 5000 });
    expect(refused).toBeGreaterThan(5000);
  });

  it('refuse nesting that would exhaust the stack', () => {
    const deep = `{"version":1,"tensors":[],"message":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const text = Buffer.from(deep);
    const bytes = Buffer.alloc(Math.ceil((8 + text.length) / 8) * 8, 0x20);
    bytes.write('FTMS');
    bytes.writeUInt32LE(bytes.length - 8, 4);
    text.copy(bytes, 8);
    expect(decodeOrRefuse(decodeRequest, bytes)).toBe(false);
  });
});
