import { html, type Markup, trusted } from '../escape.js';
import { ownersOf, type RunRecord } from '../record.js';
import { dataSection } from './data.js';
import { differencesSection } from './differences.js';
import { crossSection, forgettingSection } from './evaluation.js';
import { federationSection } from './federation.js';
import { headline, methodName } from './headline.js';
import { masksSection } from './masks.js';
import { mergingSection } from './merging.js';
import { ownersSection } from './owners.js';
import { roundsSection } from './rounds.js';
import { samplesSection } from './samples.js';
import { SCRIPT, SCRIPT_HASH } from './script.js';
import { settingsSection } from './settings.js';
import { STYLE } from './style.js';
import { trainingSection } from './training.js';

const SECTIONS: readonly ((record: RunRecord) => Markup | undefined)[] = [
  ownersSection,
  differencesSection,
  crossSection,
  forgettingSection,
  samplesSection,
  roundsSection,
  masksSection,
  federationSection,
  mergingSection,
  trainingSection,
  dataSection,
  settingsSection,
];

/** Nothing is fetched, and nothing runs but our own script: the page is what is in the file. */
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '${SCRIPT_HASH}'`;

/** Fewer owners than this are found by looking. */
const MIN_FINDABLE = 10;

/** The field that shows some owners only; the script brings it to life. */
function findField(record: RunRecord): Markup | undefined {
  const count = ownersOf(record).length;
  if (count < MIN_FINDABLE) return undefined;
  return html`<form id="find" class="find" role="search" hidden=""><label for="find-field">Find among ${count} owners</label><input id="find-field" type="search" autocomplete="off"/><output id="find-count" for="find-field"></output></form>\n`;
}

/** What a run that goes on is at, above the page that it serves. */
function liveBar(events: string): Markup {
  return html`<aside id="live" class="live" aria-label="The run as it goes on" data-events="${events}"><progress hidden="" max="1" value="0" aria-label="Share of the rounds that is done"></progress><span>Following the run folder.</span><b role="status" class="unseen"></b></aside>\n`;
}

export interface PageOptions {
  /** Where the script gets server-sent events from (see src/report/live.ts). @default none: the page is a file */
  readonly events?: string;
}

/** The report of a run as one HTML file that needs nothing else. Depends on the record only. */
export function reportHtml(record: RunRecord, { events }: PageOptions = {}): string {
  const policy = events === undefined ? POLICY : `${POLICY}; connect-src 'self'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${methodName(record)}: fedtune run</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
${events !== undefined && liveBar(events)}<main>
${headline(record)}${findField(record)}${SECTIONS.map((section) => section(record))}<footer id="made">Made by fedtune from the files of the run folder: config.yaml, events.jsonl, partition.json, metrics.json, evaluation.json, samples.jsonl, owners/*/scores.jsonl.</footer>
</main>
<script type="module">${trusted(SCRIPT)}</script>
</body>
</html>
`.text;
}
