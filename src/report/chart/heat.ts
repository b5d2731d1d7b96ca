import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';

export interface HeatRow {
  readonly label: string;
  /** One share between 0 and 1 for each column. */
  readonly shares: readonly number[];
}

const CELL = { width: 54, height: 22 };
const MARGIN = { left: 190, top: 110, right: 16, bottom: 16 };

/** Rows against columns as a picture that stands by itself: the darker a cell, the larger its share. */
export function heatPicture(title: string, columns: readonly string[], rows: readonly HeatRow[]): Markup {
  const width = MARGIN.left + columns.length * CELL.width + MARGIN.right;
  const height = MARGIN.top + rows.length * CELL.height + MARGIN.bottom;
  const heads = columns.map((name, x) => {
    const at = MARGIN.left + (x + 0.5) * CELL.width;
    return html`<text transform="translate(${at},${MARGIN.top - 8}) rotate(-45)"><title>${name}</title>${shown(name, 18)}</text>`;
  });
  const drawn = rows.map(({ label, shares }, y) => {
    const top = MARGIN.top + y * CELL.height;
    const cells = shares.map((share, x) => {
      const percent = `${Math.round(share * 100)} %`;
      const left = MARGIN.left + x * CELL.width;
      return html`<rect x="${left}" y="${top}" width="${CELL.width - 1}" height="${CELL.height - 1}" fill="#1f6f8b" fill-opacity="${Math.max(0.04, share).toFixed(3)}"><title>${label}, ${columns[x] ?? ''}: ${percent}</title></rect>${
        share >= 0.005 &&
        html`<text x="${left + CELL.width / 2}" y="${top + CELL.height / 2}" dy="0.32em" text-anchor="middle" fill="${share > 0.55 ? '#fff' : '#222'}">${percent}</text>`
      }`;
    });
    return html`<text x="${MARGIN.left - 8}" y="${top + CELL.height / 2}" dy="0.32em" text-anchor="end"><title>${label}</title>${shown(label, 26)}</text>${cells}`;
  });
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" role="img"><title>${title}</title><rect width="${width}" height="${height}" fill="#fff"/>${heads}${drawn}</svg>`;
}
