import { bytes, machineLines, number, percent, table, withRange } from './markdown.mjs';
import { COMPARISONS } from './variants.mjs';

/** Kinds of machine, by the instructions that the engine chooses there. */
const KINDS = {
  amx: 'AMX',
  avx512bf16: 'AVX-512 VNNI and BF16',
  vnni: 'AVX-512 VNNI',
  avxvnni: 'AVX-VNNI',
  avx2: 'AVX2',
  i8mm: 'NEON with i8mm',
  neon: 'NEON',
};
const UNITS = { tokens_per_second: 'tokens/s', target_tokens_per_second: 'target tokens/s' };

function targetRow(name, target) {
  const sign = target.kind === 'speed' ? '>=' : '<=';
  const goal = target.goal === undefined ? '' : ` (${number(target.goal)})`;
  const limit = target.limit === undefined ? '-' : `${sign} ${number(target.limit)}${goal}`;
  const what = target.kind === 'speed' ? 'speed' : 'peak memory';
  const against = [...new Set([target.against, target.opponent ?? ''])].filter((name) => name !== '').join(', ');
  const value = target.ratio === undefined ? '-' : withRange(target.ratio, target.min, target.max);
  const open = target.ratio === undefined ? 'not measured' : '-';
  const verdict = target.pass === null ? open : target.pass ? 'yes' : 'no';
  return [`${name}: ${what} of ${target.ours} against ${against}`, value, limit, verdict];
}

function speedTable({ metric }, { speeds, examples, memory, ratios, failed }) {
  const against = new Map(ratios.map((ratio) => [ratio.variant, ratio]));
  const chat = metric === 'target_tokens_per_second' && Object.keys(examples).length > 0;
  const rows = Object.keys(speeds).map((variant) => {
    const [own, ram, ratio] = [speeds[variant], memory[variant], against.get(variant)];
    return [
      variant,
      withRange(own.median, own.min, own.max),
      ...(chat ? [number(examples[variant]?.median)] : []),
      bytes(ram.median),
      ratio ? withRange(ratio.speed.ratio, ratio.speed.min, ratio.speed.max) : '',
      ratio ? number(ratio.memory.ratio) : '',
    ];
  });
  const blanks = Array(chat ? 4 : 3).fill('');
  for (const variant of failed) rows.push([variant, 'did not run', ...blanks]);
  const headings = ['', UNITS[metric], ...(chat ? ['examples/s'] : []), 'peak memory', 'ours is x times', 'our memory'];
  return table(headings, rows);
}

function comparisonPart(name, part) {
  const { summary, settings } = part;
  const repeats = `${settings.repeats} ${settings.repeats === 1 ? 'run' : 'alternating runs'} of each${settings.quick ? ', shortened (--quick)' : ''}`;
  const work =
    name === 'federation' ? `${settings.clients} clients x ${settings.rounds} rounds x ${settings.steps} steps; ` : '';
  const lines = [`### ${COMPARISONS[name].title}`, '', `${part.date}; ${part.source}; ${work}${repeats}.`, ''];
  lines.push(speedTable(COMPARISONS[name], summary), '');
  for (const { variant, giga_operations_per_second: giga, ...share } of summary.peak) {
    lines.push(
      `${variant}: ${number(giga)} GOP/s of needed work, ${percent(share.fp32)} of the fp32 peak of all threads, ${percent(share.bf16)} of bf16, ${percent(share.int8)} of int8.`,
    );
  }
  for (const { variant, kernels } of summary.profile.slice(0, 1)) {
    const rows = kernels.map(({ kernel, share }) => [kernel, percent(share)]);
    lines.push('', `Where the time of a step of ${variant} goes:`, '', table(['kernel', 'share'], rows));
  }
  const cut = part.runs.filter((run) => run.measured_seconds !== undefined);
  if (cut.length > 0) {
    const names = cut.map(
      (run) => `${run.variant} (${number(run.measured_seconds)} s of ${number(run.wall_seconds)} s)`,
    );
    lines.push(
      '',
      `Stopped early, the rest estimated at the speed of the later half of the steps: ${names.join(', ')}.`,
    );
  }
  const errors = part.runs.filter((run) => run.error !== undefined);
  for (const { variant, error } of errors) {
    lines.push('', `${variant} did not run: ${error.trim().split('\n').at(-1).slice(0, 300)}`);
  }
  return lines.join('\n');
}

/** Where each comparison of one kind of machine was measured, the targets, and each comparison. */
function machinePart(kind, comparisons) {
  const names = Object.keys(COMPARISONS).filter((name) => comparisons[name] !== undefined);
  const machines = new Map();
  for (const name of names) {
    const { machine } = comparisons[name];
    const key = `${machine.cpu} ${machine.cores} ${machine.threads}`;
    machines.set(key, { machine, names: [...(machines.get(key)?.names ?? []), name] });
  }
  const lines = [`## ${KINDS[kind] ?? kind}`];
  for (const { machine, names: on } of machines.values()) {
    lines.push('', `Measured on (${on.join(', ')}):`, '', ...machineLines(machine));
  }
  const rows = names.flatMap((name) => comparisons[name].summary.targets.map((target) => targetRow(name, target)));
  lines.push('', table(['', 'measured', 'wanted (goal)', 'reached'], rows));
  for (const name of names) lines.push('', comparisonPart(name, comparisons[name]));
  return lines;
}

/** The whole result as Markdown, by kind of machine; comparisons in the order of the script. */
export function peerReport({ machines }) {
  const lines = ['# fedtune and PyTorch + PEFT on the same cores', '', 'Made by `npm run bench:peers`.', ''];
  lines.push(
    'Ratios are of the medians; in brackets the smallest and largest ratio of two runs side by side. Peak memory is the high-water mark of the resident bytes of the process (until 2026-11-27 of its whole tree, so that compilers count).',
  );
  for (const [kind, comparisons] of Object.entries(machines)) lines.push('', ...machinePart(kind, comparisons));
  return `${lines.join('\n')}\n`;
}
