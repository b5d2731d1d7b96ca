import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { section, tableBox } from './parts.js';

/** Letters of a question and an answer that are shown; samples.jsonl has all. */
const MAX_LETTERS = 600;

/** What was answered to the questions of the run file. */
export function samplesSection({ samples }: RunRecord): Markup | undefined {
  if (samples.length === 0) return undefined;
  const tables = [...new Set(samples.map(({ prompt }) => prompt))].map((prompt) => {
    const rows = samples
      .filter((sample) => sample.prompt === prompt)
      .map(
        ({ round, owner, which, answer }) =>
          html`<tr><th scope="row">${owner === undefined ? which : `${shown(owner, 48)} (${which})`}</th><td>${round}</td><td class="names">${shown(answer, MAX_LETTERS)}</td></tr>`,
      );
    return html`<h3>${shown(prompt, MAX_LETTERS)}</h3>${tableBox(`Answers to ${shown(prompt, 80)}`, html`<table><thead><tr><th scope="col">who</th><th scope="col">after round</th><th scope="col" class="names">answer</th></tr></thead><tbody>${rows}</tbody></table>`)}`;
  });
  const intro =
    'The likeliest answers to the questions of the run file, by the template that was trained, as llama.cpp writes them; of an owner, with what it takes home.';
  return section('samples', 'Sample answers', intro, tables);
}
