import { html, type Markup } from '../escape.js';
import { formatBytes, formatSeconds, plural } from '../format.js';
import type { RunRecord } from '../record.js';
import { facts, section } from './parts.js';

function machine({ metrics, events, config }: RunRecord): Markup {
  const start = events.start[0];
  const rows: [string, string][] = [];
  if (start) rows.push(['started', start.time], ['kernels', start.kernels]);
  rows.push(['precision', config.precision], ['seed', String(config.seed)]);
  if (metrics) {
    const { timing, tokens, model } = metrics;
    const count = (value: number) => value.toLocaleString('en-US');
    rows.push(
      ['time', formatSeconds(timing.seconds)],
      ['workers', `${timing.workers} of ${plural(timing.threads, 'thread')} each`],
      ['training speed', `${count(Math.round(timing.tokens_per_second))} tokens/s`],
      ['memory at most', formatBytes(timing.peak_rss_bytes)],
      ['tokens trained on', count(tokens.train + tokens.search + (tokens.local ?? 0) + (tokens.tune ?? 0))],
      ['tokens scored', count(tokens.eval)],
      ['model', model.name],
      ['model sha256', model.sha256],
    );
  }
  return html`<h3>Machine and model</h3>${facts(rows)}`;
}

/** The whole configuration; what was set to something else than its default comes first. */
export function settingsSection(record: RunRecord): Markup {
  const { config, changed } = record;
  const entries = Object.entries(config).map(([key, value]): [string, string] => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const set = entries.filter(([key]) => changed.includes(key));
  return section('settings', 'Settings', '', [
    set.length > 0
      ? html`<h3>Set to something else than the default</h3>${facts(set)}`
      : html`<p>Everything at its default.</p>`,
    machine(record),
    html`<details><summary>All ${entries.length} keys of the run file</summary>${facts(entries)}</details>`,
  ]);
}
