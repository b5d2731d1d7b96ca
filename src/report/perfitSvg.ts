import { escapeXml } from './escape.js';
import { columnsOf, type KeptShares, keptShares, type MaskedClient, maskOverlaps } from './perfitSvgData.js';

export type { MaskedClient } from './perfitSvgData.js';

const CELL = { width: 34, height: 16 };
const PANELS_A_ROW = 4;
const MARGIN = 24;
const LABEL_WIDTH = 30;
const HEAD = 40;
const MATRIX_CELL = 40;
const MATRIX_LABEL = 150;

/** White to dark blue for 0 .. 1; the text on it is readable on either side. */
function shade(share: number): { fill: string; text: string } {
  const mix = (from: number, to: number) => Math.round(from + (to - from) * share);
  return { fill: `rgb(${mix(247, 8)},${mix(251, 48)},${mix(255, 107)})`, text: share > 0.55 ? '#fff' : '#222' };
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${x}" y="${y}"${more}>${escapeXml(content)}</text>`;
}

function cell(x: number, y: number, width: number, height: number, share: number, title: string): string {
  const { fill, text: color } = shade(share);
  const percent = String(Math.round(100 * share));
  return (
    `<g><title>${escapeXml(title)}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/>` +
    `${text(x + width / 2, y + height / 2 + 4, percent, ` text-anchor="middle" fill="${color}"`)}</g>`
  );
}

function panel({ id, total, shares }: KeptShares, columns: readonly string[], left: number, top: number): string {
  const parts = [text(left, top + 12, `${id}: ${(100 * total).toFixed(1)} % kept`, ' class="head"')];
  columns.forEach((name, column) => {
    const x = left + LABEL_WIDTH + (column + 0.5) * CELL.width;
    parts.push(text(x, top + HEAD - 6, name.replace(/^(attn|ffn)_/, ''), ' text-anchor="middle"'));
  });
  shares.forEach((row, layer) => {
    const y = top + HEAD + layer * CELL.height;
    parts.push(text(left + LABEL_WIDTH - 6, y + 12, String(layer), ' text-anchor="end"'));
    row.forEach((share, column) => {
      if (share === undefined) return;
      const title = `${id}, layer ${layer}, ${columns[column]}: ${(100 * share).toFixed(1)} % kept`;
      parts.push(cell(left + LABEL_WIDTH + column * CELL.width, y, CELL.width - 1, CELL.height - 1, share, title));
    });
  });
  return parts.join('\n');
}

function overlapMatrix(ids: readonly string[], overlaps: readonly (readonly number[])[], top: number): string {
  const parts = [text(MARGIN, top + 12, 'Overlap of the masks (shared over joint entries, %)', ' class="head"')];
  ids.forEach((id, i) => {
    const y = top + 24 + i * (CELL.height + 4);
    parts.push(text(MARGIN + MATRIX_LABEL - 8, y + 13, `${id} (${i + 1})`, ' text-anchor="end"'));
    ids.forEach((other, j) => {
      const overlap = overlaps[i]![j]!;
      const title = `${id} and ${other}: ${(100 * overlap).toFixed(1)} %`;
      const x = MARGIN + MATRIX_LABEL + j * MATRIX_CELL;
      parts.push(cell(x, y, MATRIX_CELL - 1, CELL.height + 3, overlap, title));
    });
  });
  const below = top + 24 + ids.length * (CELL.height + 4) + 14;
  ids.forEach((_, j) => {
    const x = MARGIN + MATRIX_LABEL + (j + 0.5) * MATRIX_CELL;
    parts.push(text(x, below, `(${j + 1})`, ' text-anchor="middle"'));
  });
  return parts.join('\n');
}

/**
 * A picture of a PerFIT run as SVG: for each client its layers (down) x modules (across) with the share of entries that its
 * mask keeps, and how much every two clients' masks overlap. All clients must have one layout. Depends on its input only.
 */
export function perfitSvg(clients: readonly MaskedClient[]): string {
  const columns = clients[0] ? columnsOf(clients[0].adapter) : [];
  const shares = clients.map(keptShares);
  const layers = Math.max(0, ...shares.map((client) => client.shares.length));
  const panelWidth = Math.max(200, LABEL_WIDTH + columns.length * CELL.width) + MARGIN;
  const panelHeight = HEAD + layers * CELL.height + MARGIN;
  const across = Math.max(1, Math.min(PANELS_A_ROW, clients.length));
  const matrixTop = 2 * MARGIN + 16 + Math.ceil(clients.length / across) * panelHeight;
  const width = Math.max(MARGIN + across * panelWidth, 2 * MARGIN + MATRIX_LABEL + clients.length * MATRIX_CELL);
  const height = matrixTop + 24 + clients.length * (CELL.height + 4) + 2 * MARGIN;
  const panels = shares.map((client, i) =>
    panel(client, columns, MARGIN + (i % across) * panelWidth, MARGIN + 24 + Math.floor(i / across) * panelHeight),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      'font-family="sans-serif" font-size="11" fill="#222">',
    '<title>Architectures that the clients of a PerFIT run have found</title>',
    '<style>.head{font-weight:bold;font-size:12px}</style>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(MARGIN, MARGIN + 4, 'Kept share of each module, % (layers down, modules across)', ' class="head"'),
    ...panels,
    overlapMatrix(
      clients.map(({ id }) => id),
      maskOverlaps(clients),
      matrixTop,
    ),
    '</svg>',
    '',
  ].join('\n');
}
