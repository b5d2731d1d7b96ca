import { html, type Markup, trusted } from '../escape.js';
import type { RunRecord } from '../record.js';
import { dataSection } from './data.js';
import { differencesSection } from './differences.js';
import { federationSection } from './federation.js';
import { headline, methodName } from './headline.js';
import { masksSection } from './masks.js';
import { mergingSection } from './merging.js';
import { ownersSection } from './owners.js';
import { roundsSection } from './rounds.js';
import { settingsSection } from './settings.js';
import { STYLE } from './style.js';
import { trainingSection } from './training.js';

const SECTIONS: readonly ((record: RunRecord) => Markup | undefined)[] = [
  ownersSection,
  differencesSection,
  roundsSection,
  masksSection,
  federationSection,
  mergingSection,
  trainingSection,
  dataSection,
  settingsSection,
];

/** Nothing is fetched and nothing runs: the page is what is in the file. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The report of a run as one HTML file that needs nothing else. Depends on the record only. */
export function reportHtml(record: RunRecord): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${methodName(record)}: fedtune run</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<main>
${headline(record)}${SECTIONS.map((section) => section(record))}<footer>Made by fedtune from the files of the run folder: config.yaml, events.jsonl, partition.json, metrics.json, owners/*/scores.jsonl.</footer>
</main>
</body>
</html>
`.text;
}
