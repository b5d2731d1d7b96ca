import { z } from 'zod';
import { runConfigSchema } from '../config/schema.js';
import { EVAL_SPLITS, WHICH } from '../contracts/evaluation.js';
import type { Reply, Request, WireError } from '../contracts/messages.js';

const count = z.int().min(0);
const seed = z.int().min(0).max(0xffff_ffff);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Also NaN and infinity: scores of an adapter that has gone astray are what they are. */
const anyNumber = z.custom<number>((value) => typeof value === 'number', 'expected a number');
const split = z.enum(EVAL_SPLITS);
const which = z.enum(WHICH);
const states = z.strictObject({ main: count, local: count });

const part = z.strictObject({
  ranks: z.union([count, z.array(count)]),
  factors: z.enum(['A', 'B', 'both']),
  mask: z.enum(['none', 'known', 'element', 'rank']),
  values: z.instanceof(Float32Array),
  bits: z.instanceof(Uint8Array),
});
const sending = { parts: z.record(z.string().max(64), part), note: z.unknown() };

const splitCounts = z.strictObject({ examples: count, tokens: count, targets: count });
const nllSums = z.partialRecord(which, z.strictObject({ nll: anyNumber, tokens: count }));
const tokens = z.strictObject({ train: count, search: count, targets: count });

const wireError: z.ZodType<WireError> = z.strictObject({
  name: z.string(),
  code: z.string(),
  message: z.string(),
  exitCode: z.union([z.literal(1), z.literal(2), z.literal(130)]),
  stack: z.string().nullable(),
  get cause() {
    return wireError.nullable();
  },
});

/** What the server may ask. */
export const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('describe'),
    config: runConfigSchema,
    baseSha256: sha256,
    tokenizerSha256: sha256,
    templateSha256: sha256.nullable(),
    rank: z.int().min(1),
    givenSplits: z.array(split),
  }),
  z.strictObject({
    kind: z.literal('train'),
    arm: z.enum(['main', 'local']),
    round: count,
    turn: z.int().min(1),
    attempt: count,
    seed,
    state: count,
    keep: z.array(count),
    ...sending,
  }),
  z.strictObject({ kind: z.literal('score'), round: count, split, which: z.array(which), states, ...sending }),
  z.strictObject({ kind: z.literal('finish'), round: count, seed, states, ...sending }),
]) as unknown as z.ZodType<Request>;

/** What an owner says of itself. */
export const descriptionSchema = z.strictObject({
  kind: z.literal('description'),
  train: splitCounts,
  valid: splitCounts,
  test: splitCounts,
  categories: z.record(z.string(), count),
  dropped: z.strictObject({ long: count, empty: count, refused: count, repeated: count }),
  numCut: count,
  numTargetsLost: count,
  dataSha256: sha256,
  baseSha256: sha256,
  kernels: z.string().max(64),
});

/** What an owner may answer. */
export const replySchema = z.discriminatedUnion('kind', [
  descriptionSchema,
  z.strictObject({
    kind: z.literal('update'),
    round: count,
    turn: z.int().min(1),
    ...sending,
    losses: z.array(z.number()),
    tokens,
    seconds: z.instanceof(Float64Array).refine((value) => value.length === 1 && value[0]! >= 0, 'expected one number'),
  }),
  z.strictObject({ kind: z.literal('scored'), scores: nllSums, tokens: count }),
  z.strictObject({
    kind: z.literal('finished'),
    valid: nllSums,
    test: nllSums,
    takeHome: which,
    rounds: z.partialRecord(which, count).optional(),
    tokens: z.strictObject({ eval: count, tune: count, local: count }),
    tuneFailure: wireError.nullable(),
  }),
  z.strictObject({ kind: z.literal('error'), error: wireError }),
]) as unknown as z.ZodType<Reply>;
