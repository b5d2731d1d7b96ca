import { GGML_BF16, GGML_F16, GGML_F32 } from '../model/gguf/types.js';
import { quantize } from '../native/engine.js';

export const GGML_Q8_0 = 8;

/** Types that merged weights keep; rounding once more to fewer bits would cost what the adapter brought. */
const KEPT: ReadonlySet<number> = new Set([GGML_F32, GGML_F16, GGML_BF16, GGML_Q8_0]);

/** Encodes floats as a ggml type, or undefined for a type that is only read here. */
export function encoderOf(type: number): ((values: Float32Array) => Uint8Array) | undefined {
  return KEPT.has(type) ? (values) => quantize(type, values) : undefined;
}
