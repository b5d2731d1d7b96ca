import { WHICH, type Which } from '../../contracts/evaluation.js';

/** What a score is of, in words for readers who do not know the field. */
export const MEANING: Readonly<Record<Which, string>> = {
  base: 'the model as it came',
  local: 'trained alone on the owner’s own examples',
  global: 'the shared adapter that the server merged',
  personalized: 'the owner’s own adapter as it leaves the federation',
  unmerged: 'the owner’s own adapter as its last round of training left it, before the merge',
  tuned: 'that, after more training on the owner’s own examples',
};

export const colorOf = (which: Which): string => `k-${which}`;
export const markerOf = (which: Which): number => WHICH.indexOf(which);

/** A perplexity with three to four digits. */
export function ppl(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (value >= 1e5) return value.toExponential(2);
  return value.toFixed(value < 100 ? 2 : value < 1000 ? 1 : 0);
}

/** A number on an axis: short, without noise from its arithmetic. */
export function short(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential().replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}

/** A change as a share, with its sign. */
export const percent = (share: number): string =>
  `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`.replace('-', '−');
