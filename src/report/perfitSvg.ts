import { extent } from '../extent.js';
import { shown } from '../text.js';
import { chooseOwners } from './chosen.js';
import { html, type Markup } from './escape.js';
import { plural } from './format.js';
import { compareMasks, type MaskComparison, type MaskedClient, type ModuleMasks, targetsOf } from './perfitSvgData.js';

export type { MaskedClient } from './perfitSvgData.js';

/** Modules whose components are drawn: those that owners differ in most. */
const MAX_MODULES = 6;
/** Shades that components are drawn in. */
const SHADES = 8;
/** Shares of modules that are further apart than this are drawn for every owner. */
const SAME_SHARE = 0.005;

const WIDTH = 1000;
const MARGIN = 24;
const LABEL = 160;
const ROW = 20;
const HEAD = 40;

/** A part of the picture, drawn from 0,0 on. */
interface Part {
  readonly height: number;
  readonly drawn: Markup;
}

type Scale = (value: number) => number;

/** White to dark blue for 0 .. 1; the text on it is readable on either side. */
function shade(share: number): { fill: string; text: string } {
  const mix = (from: number, to: number) => Math.round(from + (to - from) * share);
  return { fill: `rgb(${mix(247, 8)},${mix(251, 48)},${mix(255, 107)})`, text: share > 0.5 ? '#fff' : '#222' };
}

/** The whole shade for what is between the lowest and highest of some values, so that small differences are seen. */
function stretch(values: readonly number[]): Scale {
  const [low, high] = extent(values);
  return (value) => (high - low < 1e-9 ? 0.5 : (value - low) / (high - low));
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const heading = (text: string, below = ''): Markup =>
  html`<text y="12" class="head">${text}</text><text y="28" class="note">${below}</text>`;

const label = (x: number, y: number, anchor: 'middle' | 'end' | 'start', text: string): Markup =>
  html`<text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`;

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly shade: number;
  readonly title: string;
  readonly text: string;
}

function cell({ x, y, width, shade: share, title, text }: Cell): Markup {
  const { fill, text: ink } = shade(share);
  return html`<g><title>${title}</title><rect x="${x}" y="${y}" width="${width - 1}" height="${ROW - 1}" fill="${fill}"/><text x="${x + width / 2}" y="${y + 14}" text-anchor="middle" fill="${ink}" class="in">${text}</text></g>\n`;
}

/** Who keeps entries that nobody else does: a bar an owner. */
function whosePart({ owners }: MaskComparison, note: string): Part {
  const width = WIDTH - 2 * MARGIN - LABEL - 70;
  const kinds = [
    ['alone', 'kept by this owner alone', 'alone'],
    ['some', 'and by some others', 'some'],
    ['all', 'and by all others', 'all'],
  ] as const;
  const rows = owners.map((owner, i) => {
    const y = HEAD + i * ROW;
    let x = LABEL;
    const bars = kinds.map(([kind, words, color]) => {
      const [left, share] = [x, owner[kind]];
      x += share * width;
      return html`<rect x="${left.toFixed(1)}" y="${y + 2}" width="${(share * width).toFixed(1)}" height="${ROW - 5}" class="${color}"><title>${owner.id}: ${percent(share)} of all entries ${words}</title></rect>`;
    });
    const kept = owner.alone + owner.some + owner.all;
    return html`${label(LABEL - 8, y + 14, 'end', shown(owner.id, 22))}<rect x="${LABEL}" y="${y + 2}" width="${width}" height="${ROW - 5}" class="none"/>${bars}${label(LABEL + width + 8, y + 14, 'start', percent(kept))}`;
  });
  const y = HEAD + owners.length * ROW + 10;
  const legend = kinds.map(
    ([, words, color], i) =>
      html`<rect x="${LABEL + i * 190}" y="${y}" width="11" height="11" class="${color}"/>${label(LABEL + i * 190 + 17, y + 10, 'start', words)}`,
  );
  const drawn = html`${heading('Whose entries', `Of all entries of the adapter, what each owner keeps, and with whom.${note}`)}${rows}${legend}`;
  return { height: y + 40, drawn };
}

/** How much every two owners have in common. */
function overlapPart({ owners, overlaps, overlap, byChance }: MaskComparison): Part {
  const width = Math.min(48, (WIDTH - 2 * MARGIN - LABEL) / owners.length);
  const scale = stretch([byChance, ...overlaps.flatMap((row, i) => row.filter((_, j) => j !== i))]);
  const rows = owners.map(({ id }, i) => {
    const y = HEAD + i * ROW;
    const cells = owners.map((other, j) => {
      if (i === j) return '';
      const value = overlaps[i]![j]!;
      const title = `${id} and ${other.id}: ${percent(value)}`;
      return cell({
        x: LABEL + j * width,
        y,
        width,
        shade: scale(value),
        title,
        text: (100 * value).toFixed(width < 34 ? 0 : 1),
      });
    });
    return html`${label(LABEL - 8, y + 14, 'end', `${shown(id, 20)} (${i + 1})`)}${cells}`;
  });
  const y = HEAD + owners.length * ROW + 14;
  const numbers = owners.map((_, j) => label(LABEL + (j + 0.5) * width, y, 'middle', `(${j + 1})`));
  const below = `Shared over joint entries, %. Mean of the pairs: ${percent(overlap)}; masks of these sizes that know nothing of each other: ${percent(byChance)}`;
  return { height: y + 28, drawn: html`${heading('Overlap of the masks', below)}${rows}${numbers}` };
}

/** Modules in a grid, layers down and targets across. */
function modulesPart(
  modules: readonly ModuleMasks[],
  titles: readonly [string, string],
  value: (module: ModuleMasks) => number,
  words: (module: ModuleMasks) => string,
): Part {
  const targets = targetsOf(modules);
  const scale = stretch(modules.map(value));
  const width = 84;
  const names = targets.map((name, i) => label(LABEL + (i + 0.5) * width, HEAD + 10, 'middle', name));
  const layers = [...new Set(modules.map(({ layer }) => layer))].sort((a, b) => a - b);
  const rows = layers.map((layer, i) => label(LABEL - 8, HEAD + 30 + i * ROW, 'end', `layer ${layer}`));
  const cells = modules.map((module) =>
    cell({
      x: LABEL + targets.indexOf(module.target) * width,
      y: HEAD + 16 + layers.indexOf(module.layer) * ROW,
      width,
      shade: scale(value(module)),
      title: words(module),
      text: (100 * value(module)).toFixed(1),
    }),
  );
  return { height: HEAD + 44 + layers.length * ROW, drawn: html`${heading(...titles)}${names}${rows}${cells}` };
}

/** Rows of shares as one shape a shade: there may be thousands. */
function barcodes(rows: readonly (readonly number[])[], width: number, scale: Scale): Markup[] {
  const shapes = Array.from({ length: SHADES + 1 }, () => '');
  rows.forEach((shares, i) => {
    shares.forEach((share, x) => {
      shapes[Math.round(scale(share) * SHADES)] +=
        `M${(x * width).toFixed(1)} ${i * ROW}h${(width - 1).toFixed(1)}v${ROW - 1}h${(1 - width).toFixed(1)}z`;
    });
  });
  return shapes.flatMap((path, i) => (path === '' ? [] : [html`<path d="${path}" fill="${shade(i / SHADES).fill}"/>`]));
}

/** Which rank components each owner keeps, in the modules that owners differ in most. */
function componentsPart({ owners, modules }: MaskComparison): Part {
  const chosen = [...modules].sort((a, b) => a.overlap - b.overlap).slice(0, MAX_MODULES);
  const values = chosen.flatMap(({ components }) => components.flat());
  const scale = stretch(values);
  const across = 3;
  const room = (WIDTH - 2 * MARGIN - LABEL - (across - 1) * 16) / across;
  const height = 22 + owners.length * ROW + 18;
  const panels = chosen.map(({ layer, target, components, overlap }, m) => {
    const left = LABEL + (m % across) * (room + 16);
    const top = HEAD + Math.floor(m / across) * height;
    const width = Math.min(24, room / components[0]!.length);
    const title = label(left, top + 14, 'start', `layer ${layer}, ${target}: overlap ${percent(overlap)}`);
    const names =
      m % across === 0 && owners.map(({ id }, i) => label(LABEL - 8, top + 36 + i * ROW, 'end', shown(id, 22)));
    return html`${title}${names}<g transform="translate(${left},${top + 22})">${barcodes(components, width, scale)}</g>`;
  });
  const [low, high] = extent(values);
  const below = `A column is a row of A with its column of B. White: ${percent(low)} of its entries kept, dark: ${percent(high)}`;
  return {
    height: HEAD + Math.ceil(chosen.length / across) * height + 10,
    drawn: html`${heading('Which rank components, in the modules that owners differ in most', below)}${panels}`,
  };
}

/** What owners keep of each module, for every owner where they differ in that. */
function keptParts({ owners, modules }: MaskComparison): Part[] {
  const [low, high] = extent(modules.flatMap(({ kept }) => kept));
  if (high - low <= SAME_SHARE) {
    const text = `Every owner keeps ${percent(low)} of ${low === high ? 'every' : 'about every'} module, so what differs is which entries those are`;
    return [{ height: 24, drawn: html`<text y="12" class="head">${text}</text>` }];
  }
  return owners.map(({ id }, i) =>
    modulesPart(
      modules,
      [`What ${shown(id)} keeps of each module, %`, ''],
      ({ kept }) => kept[i]!,
      ({ layer, target, kept }) => `${id}, layer ${layer}, ${target}: ${percent(kept[i]!)} kept`,
    ),
  );
}

/** The picture in a sentence, which depends on no name. */
function summary({ owners, overlap, byChance }: MaskComparison): string {
  const kept = extent(owners.map(({ alone, some, all }) => alone + some + all));
  const range = kept.map(percent);
  return (
    `${plural(owners.length, 'owner')} keep ${[...new Set(range)].join(' to ')} of the adapter. Two of them share ${percent(overlap)} of their ` +
    `joint entries on average; masks that know nothing of each other would share ${percent(byChance)}.`
  );
}

/** Light and dark, as the system has it. */
const STYLE =
  'text:not(.in){fill:#222}.head{font-weight:bold;font-size:13px}text.note.note{fill:#59616b}.paper{fill:#fff}.none{fill:#ecedea}' +
  '.alone{fill:#d55e00}.some{fill:#56b4e9}.all{fill:#0072b2}' +
  '@media(prefers-color-scheme:dark){text:not(.in){fill:#e7eaee}text.note.note{fill:#9aa4af}.paper{fill:#1a1d21}.none{fill:#262a2f}.all{fill:#3d9bd8}.some{fill:#8fd0f7}}';

/**
 * A picture of a PerFIT run as SVG: whose entries there are, how much every two owners have in common, in which modules and which rank
 * components they differ. All clients (of many, some are drawn) must have one layout. Depends on its input only.
 */
export function perfitSvg(clients: readonly MaskedClient[]): string {
  const { items, note } = chooseOwners(clients, ({ ppl }) => ppl);
  const compared = compareMasks(items);
  const many = compared.owners.length > 1;
  const overlapping = modulesPart(
    compared.modules,
    [
      'Where owners differ',
      'Mean overlap of every two owners in each module, %: the lighter, the more it is each owner’s own',
    ],
    ({ overlap }) => overlap,
    ({ layer, target, overlap }) => `layer ${layer}, ${target}: ${percent(overlap)} in common`,
  );
  const parts = [
    whosePart(compared, note),
    ...(many ? [overlapPart(compared), overlapping, componentsPart(compared)] : []),
    ...keptParts(compared),
  ];
  let top = MARGIN;
  const placed = parts.map(({ height, drawn }) => {
    const at = top;
    top += height + 16;
    return html`<g transform="translate(${MARGIN},${at})">${drawn}</g>`;
  });
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + MARGIN}" width="${WIDTH}" height="${top + MARGIN}" font-family="sans-serif" font-size="11">
<title>Architectures that the owners of a PerFIT run have found</title>
<desc>${summary(compared)}${note}</desc>
<style>${STYLE}</style>
<rect width="${WIDTH}" height="${top + MARGIN}" class="paper"/>
${placed}
</svg>
`.text;
}
