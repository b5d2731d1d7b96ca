import type { DataInspection, OwnerFacts } from '../data/inspect.js';
import { type DataSummary, describeSummary } from '../data/summary.js';
import { heatPicture } from '../report/chart/heat.js';
import { plural } from '../report/format.js';
import { plainTable } from '../report/plainTable.js';
import { shown } from '../text.js';

const BLOCKS = ' ▁▂▃▄▅▆▇█';
/** Rows and columns of the table of owners that one screen takes. */
const MAX_OWNERS = 24;
const MAX_CATEGORIES = 10;

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(0)} %`;
const grouped = (value: number | string): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
const counted = (count: number, noun: string): string => grouped(plural(count, noun));

/** A share as a bar of blocks. */
function bar(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  const rest = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (rest > 0 ? '▏▎▍▌▋▊▉'[rest - 1] : '');
}

function lengthLines({ lengths, tokenized }: DataInspection, seqLength: number, tokenizer: string): string[] {
  if (lengths === undefined) return [];
  const most = lengths.histogram.reduce((highest, { count }) => Math.max(highest, count), 0);
  const width = String(lengths.histogram.at(-1)!.to).length;
  const lines = lengths.histogram.map(({ from, to, count }) => {
    const cut = from >= seqLength ? '  over seq_length' : to > seqLength ? `  seq_length ${seqLength} is here` : '';
    return `  ${String(from).padStart(width)} to ${String(to).padEnd(width)} ${bar(count / most, 30)} ${grouped(count)}${cut}`;
  });
  const lost =
    tokenized === undefined || tokenized.targets === 0
      ? ''
      : `; at seq_length ${seqLength} ${percent(tokenized.cut + tokenized.long, tokenized.tokenized)} are too long` +
        (tokenized.cut > 0
          ? `, ${percent(tokenized.targetsLost, tokenized.targets)} of the target tokens are lost`
          : '');
  return [
    `tokens an example (${tokenizer}${lengths.examples >= 5000 ? `, ${grouped(lengths.examples)} drawn evenly` : ''}): median ${grouped(lengths.median)}, ` +
      `90 % below ${grouped(lengths.p90 + 1)}, longest ${grouped(lengths.longest)}${lost}`,
    ...lines,
  ];
}

/** Owners against categories: how much of an owner's examples each category has, as a block and in percent. */
function ownerTable({ owners, categories, splits }: DataInspection): string {
  const total = (name: string) => owners.reduce((sum, owner) => sum + (owner.categories[name] ?? 0), 0);
  const columns = [...categories].sort((a, b) => total(b) - total(a)).slice(0, MAX_CATEGORIES);
  const splitNames = Object.keys(splits);
  const cell = (owner: OwnerFacts, name: string): string => {
    const share = (owner.categories[name] ?? 0) / Math.max(1, owner.examples);
    return `${BLOCKS[Math.ceil(share * 8)]} ${percent(share, 1)}`;
  };
  const several = categories.length > 1;
  return plainTable(
    [
      'owner',
      'examples',
      ...(splitNames.length > 1 ? splitNames : []),
      ...(several ? columns.map((name) => shown(name, 12)) : []),
    ],
    owners
      .slice(0, MAX_OWNERS)
      .map((owner) => [
        shown(owner.owner, 24),
        grouped(owner.examples),
        ...(splitNames.length > 1 ? splitNames.map((name) => grouped(owner.splits[name] ?? 0)) : []),
        ...(several ? columns.map((name) => cell(owner, name)) : []),
      ]),
  );
}

/** Owners against categories as an SVG. */
export function ownersPicture({ owners, categories }: DataInspection): string {
  const rows = owners.map(({ owner, examples, categories: counts }) => ({
    label: owner,
    shares: categories.map((name) => (counts[name] ?? 0) / Math.max(1, examples)),
  }));
  return heatPicture('Share of each category in the examples of each owner', categories, rows).text;
}

/** What a data set is, on one screen. */
export function inspectionText(
  inspection: DataInspection,
  about: {
    readonly name: string;
    readonly files: number;
    readonly summary: DataSummary;
    readonly seqLength: number;
    readonly tokenizer: string;
  },
): string {
  const { owners, categories, duplicates, divergence } = inspection;
  const all = Object.entries(inspection.kinds);
  const kinds = all.map(([kind, number]) => (all.length === 1 ? kind : `${grouped(number)} ${kind}`));
  const lines = [
    `${about.name}: ${counted(about.files, 'file')}, ${counted(about.summary.rows, 'row')}, ${counted(inspection.examples, 'example')}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}`,
    ...describeSummary({ ...about.summary, unusedColumns: {} }),
    '',
    ...lengthLines(inspection, about.seqLength, about.tokenizer),
    '',
    ownerTable(inspection),
    ...(owners.length > MAX_OWNERS ? [`and ${owners.length - MAX_OWNERS} more owners (--json has them)`] : []),
    ...(categories.length > MAX_CATEGORIES ? [`and ${categories.length - MAX_CATEGORIES} more categories`] : []),
    '',
  ];
  if (divergence !== undefined) {
    lines.push(
      `divergence between owners by ${divergence.by} (Jensen-Shannon, 0 alike to 1 apart): mean ${divergence.mean.toFixed(3)}, ` +
        `largest ${divergence.largest.toFixed(3)} (${shown(divergence.pair[0], 24)} and ${shown(divergence.pair[1], 24)})`,
    );
  }
  const first = (kind: keyof typeof duplicates.first) =>
    duplicates.first[kind] === undefined ? '' : ` (first ${duplicates.first[kind]})`;
  lines.push(
    `duplicates: ${grouped(duplicates.withinOwners)} within owners${first('withinOwners')}, ${grouped(duplicates.acrossOwners)} across owners` +
      `${first('acrossOwners')}, ${grouped(duplicates.acrossSplits)} across splits${first('acrossSplits')}`,
  );
  const unused = Object.entries(about.summary.unusedColumns).map(
    ([name, number]) => `${shown(name, 30)} (${grouped(number)} rows)`,
  );
  lines.push(
    unused.length === 0
      ? 'unused columns: none'
      : `unused columns: ${unused.slice(0, 12).join(', ')}${unused.length > 12 ? ', \u2026' : ''}`,
  );
  return `${lines.join('\n')}\n`;
}
