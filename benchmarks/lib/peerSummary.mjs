import { pairedRatio, spread, sum } from './stats.mjs';
import { judge } from './targets.mjs';
import { VARIANTS, variantsOn } from './variants.mjs';

/** Share of each kernel in the time of the timed steps, largest first, with what is outside of all kernels. */
function profileOf(runs) {
  const seconds = sum(runs.flatMap(({ steps }) => steps.map((step) => step.seconds)));
  const totals = new Map();
  for (const { profile } of runs) {
    for (const [name, value] of Object.entries(profile)) totals.set(name, (totals.get(name) ?? 0) + value);
  }
  const shares = [...totals].map(([name, value]) => [name, value / seconds]).sort((a, b) => b[1] - a[1]);
  const rest = 1 - sum(shares.map(([, share]) => share));
  return [...shares, ['outside of kernels', rest]].map(([kernel, share]) => ({ kernel, share }));
}

/** Operations a second of the timed steps, and their share of each measured peak (all threads). */
function shareOfPeak(runs, peak) {
  const steps = runs.flatMap((run) => run.steps);
  const giga = sum(steps.map((step) => step.operations)) / sum(steps.map((step) => step.seconds)) / 1e9;
  return { giga_operations_per_second: giga, fp32: giga / peak.fp32, bf16: giga / peak.bf16, int8: giga / peak.int8 };
}

function perVariant(runs, key) {
  const names = [...new Set(runs.map(({ variant }) => variant))];
  const entries = names.map((name) => [name, runs.filter((run) => run.variant === name && run[key] !== undefined)]);
  return Object.fromEntries(
    entries.filter(([, own]) => own.length > 0).map(([name, own]) => [name, spread(own.map((run) => run[key]))]),
  );
}

/**
 * All runs of one comparison in numbers: speed and memory of each variant, ours against each, the targets, and for our own
 * variants the share of the machine's peak and of each kernel.
 */
export function summarise(name, comparison, runs, machine) {
  const variants = variantsOn(machine, comparison);
  const good = runs.filter((run) => run.error === undefined);
  const speeds = perVariant(good, comparison.metric);
  const memory = perVariant(good, 'peak_rss_bytes');
  const failed = [...new Set(runs.filter((run) => run.error !== undefined).map(({ variant }) => variant))];
  const lead = variants.find((variant) => VARIANTS[variant].side === 'ours');
  const others = Object.keys(speeds).filter((variant) => VARIANTS[variant].side === 'theirs');
  const against = speeds[lead] === undefined ? [] : others;
  const ratios = against.map((variant) => ({
    variant,
    speed: pairedRatio(speeds[lead].values, speeds[variant].values),
    memory: pairedRatio(memory[lead].values, memory[variant].values),
  }));
  const stepped = (variant) => good.filter((run) => run.variant === variant && run.profile !== undefined);
  const own = Object.keys(speeds).filter((variant) => stepped(variant).length > 0);
  return {
    speeds,
    examples: perVariant(good, 'examples_per_second'),
    memory,
    failed,
    ratios,
    targets: judge(name, { machine, variants, summary: { speeds, memory, failed } }),
    peak: own.map((variant) => ({ variant, ...shareOfPeak(stepped(variant), machine.peak.all_threads) })),
    profile: own.map((variant) => ({ variant, kernels: profileOf(stepped(variant)) })),
  };
}
