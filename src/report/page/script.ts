import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The script of the page, as it stands in browser.js. */
export const SCRIPT = readFileSync(new URL('./browser.js', import.meta.url), 'utf8');

/** What the page's policy lets run. */
export const SCRIPT_HASH = `sha256-${createHash('sha256').update(SCRIPT).digest('base64')}`;
