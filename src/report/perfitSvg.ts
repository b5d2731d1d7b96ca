import { maxOf } from '../extent.js';
import { html, type Markup } from './escape.js';
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

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const heading = (x: number, y: number, text: string): Markup =>
  html`<text x="${x}" y="${y}" class="head">${text}</text>`;

function label(x: number, y: number, anchor: 'middle' | 'end', text: string): Markup {
  return html`<text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`;
}

function cell(x: number, y: number, width: number, height: number, share: number, title: string): Markup {
  const { fill, text } = shade(share);
  return html`<g><title>${title}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/><text x="${x + width / 2}" y="${y + height / 2 + 4}" text-anchor="middle" fill="${text}">${Math.round(100 * share)}</text></g>\n`;
}

function panel({ id, total, shares }: KeptShares, columns: readonly string[], left: number, top: number): Markup {
  const cells = left + LABEL_WIDTH;
  const names = columns.map((name, column) =>
    label(cells + (column + 0.5) * CELL.width, top + HEAD - 6, 'middle', name.replace(/^(attn|ffn)_/, '')),
  );
  const layers = shares.map((row, layer) => {
    const y = top + HEAD + layer * CELL.height;
    const drawn = row.map((share, column) => {
      if (share === undefined) return '';
      const title = `${id}, layer ${layer}, ${columns[column]}: ${percent(share)} kept`;
      return cell(cells + column * CELL.width, y, CELL.width - 1, CELL.height - 1, share, title);
    });
    return html`${label(cells - 6, y + 12, 'end', String(layer))}${drawn}`;
  });
  return html`${heading(left, top + 12, `${id}: ${percent(total)} kept`)}${names}${layers}`;
}

function overlapMatrix(ids: readonly string[], overlaps: readonly (readonly number[])[], top: number): Markup {
  const left = MARGIN + MATRIX_LABEL;
  const rows = ids.map((id, i) => {
    const y = top + 24 + i * (CELL.height + 4);
    const cells = ids.map((other, j) => {
      const title = `${id} and ${other}: ${percent(overlaps[i]![j]!)}`;
      return cell(left + j * MATRIX_CELL, y, MATRIX_CELL - 1, CELL.height + 3, overlaps[i]![j]!, title);
    });
    return html`${label(left - 8, y + 13, 'end', `${id} (${i + 1})`)}${cells}`;
  });
  const below = top + 24 + ids.length * (CELL.height + 4) + 14;
  const numbers = ids.map((_, j) => label(left + (j + 0.5) * MATRIX_CELL, below, 'middle', `(${j + 1})`));
  return html`${heading(MARGIN, top + 12, 'Overlap of the masks (shared over joint entries, %)')}${rows}${numbers}`;
}

/**
 * A picture of a PerFIT run as SVG: for each client its layers (down) x modules (across) with the share of entries that its
 * mask keeps, and how much every two clients' masks overlap. All clients must have one layout. Depends on its input only.
 */
export function perfitSvg(clients: readonly MaskedClient[]): string {
  const columns = clients[0] ? columnsOf(clients[0].adapter) : [];
  const shares = clients.map(keptShares);
  const layers = maxOf(
    shares.map((client) => client.shares.length),
    0,
  );
  const panelWidth = Math.max(200, LABEL_WIDTH + columns.length * CELL.width) + MARGIN;
  const panelHeight = HEAD + layers * CELL.height + MARGIN;
  const across = Math.max(1, Math.min(PANELS_A_ROW, clients.length));
  const matrixTop = 2 * MARGIN + 16 + Math.ceil(clients.length / across) * panelHeight;
  const width = Math.max(MARGIN + across * panelWidth, 2 * MARGIN + MATRIX_LABEL + clients.length * MATRIX_CELL);
  const height = matrixTop + 24 + clients.length * (CELL.height + 4) + 2 * MARGIN;
  const ids = clients.map(({ id }) => id);
  const panels = shares.map((client, i) =>
    panel(client, columns, MARGIN + (i % across) * panelWidth, MARGIN + 24 + Math.floor(i / across) * panelHeight),
  );
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="#222">
<title>Architectures that the clients of a PerFIT run have found</title>
<style>.head{font-weight:bold;font-size:12px}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${heading(MARGIN, MARGIN + 4, 'Kept share of each module, % (layers down, modules across)')}
${panels}${overlapMatrix(ids, maskOverlaps(clients), matrixTop)}
</svg>
`.text;
}
