import { RunError } from '../errors.js';

/** What a document may hold besides JSON. */
export type Tensor = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A tensor that is made when it is written, and let go of right after: for those that need not be in memory together. */
export interface LazyTensor {
  readonly $lazy: () => Tensor;
}

export const TENSOR_TYPES = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;
export type TensorKind = keyof typeof TENSOR_TYPES;

/** The kind of a typed array; undefined for those that a document may not hold. */
export function kindOf(value: unknown): TensorKind | undefined {
  return (Object.keys(TENSOR_TYPES) as TensorKind[]).find((kind) => value instanceof TENSOR_TYPES[kind]);
}

/** JSON has no word for the others. */
const inJson = (number: number): boolean => Number.isFinite(number) && !Object.is(number, -0);

const isPlain = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
};

function refuse(value: unknown, path: string): never {
  const what = typeof value === 'object' ? (value as object).constructor?.name : typeof value;
  throw new RunError(
    'STATE_INVALID',
    `Expected a state of JSON values and of Float32Array, Float64Array, Int32Array and Uint8Array but ${path || 'it'} is of type ` +
      `${what}. Turn it into one of these.`,
  );
}

/** The tensor, made now where it is a lazy one. Throws RunError STATE_INVALID. */
export function madeTensor(tensor: Tensor | LazyTensor): Tensor {
  if (!('$lazy' in tensor)) return tensor;
  const made = tensor.$lazy();
  return kindOf(made) ? made : refuse(made, 'what a lazy tensor gave');
}

/**
 * A document as JSON has it. `place` gets each tensor and says by which number it is to be found again. Our own marks begin
 * with one `$`; keys of the document that do get another.
 *
 * Throws RunError STATE_INVALID for what would not come back as it was: Maps, class instances, functions, bigints, ...
 * Properties that are undefined are left out, as in JSON.
 */
export function encodeDocument(value: unknown, place: (tensor: Tensor | LazyTensor) => number, path = ''): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    return inJson(value) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
  }
  if (typeof value !== 'object') refuse(value, path);
  if (Array.isArray(value)) {
    return Array.from(value, (item, i) => encodeDocument(item, place, `${path}[${i}]`));
  }
  if (kindOf(value)) return { $tensor: place(value as Tensor) };
  if (!isPlain(value)) refuse(value, path);
  if (typeof (value as LazyTensor).$lazy === 'function') return { $tensor: place(value as LazyTensor) };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [
        key.startsWith('$') ? `$${key}` : key,
        encodeDocument(item, place, path === '' ? key : `${path}.${key}`),
      ]),
  );
}

/** The document of what `encodeDocument` gave; `tensorAt` gives the tensor of a number. */
export function decodeDocument(json: unknown, tensorAt: (place: number) => Tensor): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => decodeDocument(item, tensorAt));
  const { $tensor, $number } = json as { $tensor?: number; $number?: string };
  if ($tensor !== undefined) return tensorAt($tensor);
  if ($number !== undefined) return Number($number);
  return Object.fromEntries(
    Object.entries(json).map(([key, item]) => [
      key.startsWith('$') ? key.slice(1) : key,
      decodeDocument(item, tensorAt),
    ]),
  );
}
