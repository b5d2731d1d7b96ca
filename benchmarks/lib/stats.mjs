/** Middle value; of two, their mean. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Median, smallest and largest of some measurements. */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values: [...values] };
}

/**
 * Ratio of the medians of two alternating series, with the smallest and largest ratio of the runs that stood side by side
 * (the i-th of both).
 */
export function pairedRatio(numerators, denominators) {
  const pairs = Math.min(numerators.length, denominators.length);
  const ratios = Array.from({ length: pairs }, (_, i) => numerators[i] / denominators[i]);
  return { ratio: median(numerators) / median(denominators), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/** Least-squares line y = a + b x with the share of the variance it explains. */
export function fitLine(xs, ys) {
  const mean = (values) => sum(values) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const slope = sum(xs.map((x, i) => (x - mx) * (ys[i] - my))) / sum(xs.map((x) => (x - mx) ** 2));
  const intercept = my - slope * mx;
  const residual = sum(ys.map((y, i) => (y - intercept - slope * xs[i]) ** 2));
  const total = sum(ys.map((y) => (y - my) ** 2));
  return { slope, intercept, r2: total === 0 ? 1 : 1 - residual / total };
}

/** Seconds of all cores that this process took since `process.cpuUsage()` gave `before`. */
export function cpuSeconds(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
