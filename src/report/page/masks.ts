import { html, type Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { section } from './parts.js';

/** The picture of PerFIT's masks. As an image: what is in that file can then do nothing to the page. */
export function masksSection({ picture }: RunRecord): Markup | undefined {
  if (picture === undefined) return undefined;
  const source = `data:image/svg+xml;base64,${Buffer.from(picture).toString('base64')}`;
  const width = /^<svg [^>]*\bwidth="(\d+)"/.exec(picture)?.[1] ?? '1000';
  const summary = /<desc>([\w\s.,:;%]*)<\/desc>/.exec(picture)?.[1] ?? '';
  return section(
    'masks',
    'The architectures that owners found',
    `PerFIT lets every owner keep the entries of the adapter that matter to it. ${summary} The picture is also in perfit.svg.`,
    [
      html`<div class="scroll paper" tabindex="0" role="region" aria-label="Architectures"><img src="${source}" width="${width}" alt="What owners keep alone and with others, the overlap of every two owners, and the modules and rank components in which they differ"></div>`,
    ],
  );
}
