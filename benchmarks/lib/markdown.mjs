/** Digits that suit a number's size. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '-';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

export function bytes(value) {
  return value >= 1e9 ? `${(value / 1e9).toFixed(2)} GB` : `${(value / 1e6).toFixed(0)} MB`;
}

/** `2.50 (2.41 - 2.63)`: a value with its smallest and largest; the value alone where there is one measurement. */
export function withRange(value, min, max, format = number) {
  return min === max ? format(value) : `${format(value)} (${format(min)} - ${format(max)})`;
}

/** A Markdown table; the first column is text, the others are numbers. */
export function table(headings, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(headings), line(headings.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** What was measured on, as a list. */
export function machineLines(machine) {
  const rates = (peak) =>
    `fp32 ${number(peak.fp32)} GFLOP/s, bf16 ${number(peak.bf16)}, int8 ${number(peak.int8)} GOP/s`;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `- ${machine.cpu}, ${machine.cores} cores (${machine.features.join(', ')}), ${machine.memory_gib} GiB, ${machine.system}`,
    `- ${machine.threads} threads${machine.peak === null ? '' : ' on both sides'}; ${versions.join(', ')}`,
  ];
  if (machine.peak === null) return lines;
  const { one_thread: one, all_threads: all } = machine.peak;
  return [
    ...lines,
    `- measured peak: ${rates(one)} and ${number(one.read)} GB/s read with one thread; ${rates(all)} and ${number(all.read)} GB/s with ${machine.threads}`,
  ];
}
