import { html, type Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { section } from './parts.js';

/** The picture of PerFIT's masks. As an image: what is in that file can then do nothing to the page. */
export function masksSection({ picture }: RunRecord): Markup | undefined {
  if (picture === undefined) return undefined;
  const source = `data:image/svg+xml;base64,${Buffer.from(picture).toString('base64')}`;
  const width = /^<svg [^>]*\bwidth="(\d+)"/.exec(picture)?.[1] ?? '1000';
  return section(
    'masks',
    'The architectures that owners found',
    'PerFIT lets every owner keep the entries of the adapter that matter to it: the share that is kept of each module, and how much the owners’ masks have in common. Also in perfit.svg.',
    [
      html`<div class="scroll paper" tabindex="0" role="region" aria-label="Architectures"><img src="${source}" width="${width}" alt="For every owner, the share of each module that its mask keeps; below, the overlap of every two masks"></div>`,
    ],
  );
}
