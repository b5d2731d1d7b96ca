import type { RopeTable } from '../native/binding.js';

export interface YarnSettings {
  /** By how much long wavelengths are stretched. */
  readonly factor: number;
  /** Context in tokens that the model was trained on before. */
  readonly original: number;
  /** Turns within the original context above which a wavelength stays, and below which it is stretched. @default 32, 1 */
  readonly betaFast?: number | undefined;
  readonly betaSlow?: number | undefined;
  /** Take whole pairs of dimensions as the ends of the ramp. @default true */
  readonly truncate?: boolean;
}

/** What YaRN multiplies sines and cosines with (arXiv 2309.00071, equation 22). */
export function yarnMagnitude(factor: number, mscale = 1): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

/**
 * Divisors of the frequencies by YaRN: wavelengths that fit often into the original context stay, those that do not are
 * stretched by `factor`, with a ramp between (arXiv 2309.00071, section 3.2).
 */
export function yarnFactors(theta: number, dim: number, settings: YarnSettings): NonNullable<RopeTable['factors']> {
  const { factor, original, betaFast = 32, betaSlow = 1, truncate = true } = settings;
  const pairAt = (turns: number) => (dim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [from, to] = [pairAt(betaFast), pairAt(betaSlow)];
  const low = Math.max(truncate ? Math.floor(from) : from, 0);
  const high = Math.min(truncate ? Math.ceil(to) : to, dim - 1);
  return Array.from({ length: dim / 2 }, (_, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 0.001)));
    return 1 / (stretched / factor + (1 - stretched));
  });
}
