import { PART_IDS } from './methodsParts.mjs';
import { cellText, mega } from './methodsTable.mjs';

const BLOCK = /<!-- measured: ([^>]+?) -->\n[\s\S]*?<!-- end -->/g;

/**
 * One table for the rows of the sweep that a section of docs/methods.md is about: a column for each part that has one of them, a dash
 * where it lacks another.
 */
function block(ids, parts) {
  const rowOf = ({ rows }, id) => rows.find(({ row }) => row === id);
  const measured = parts.filter((part) => ids.some((id) => rowOf(part, id)));
  if (measured.length === 0) return 'Not measured yet.';
  const lines = ids.map((id) => {
    const found = measured.map((part) => rowOf(part, id));
    const macro = found.map((row) => cellText(row?.macro) || '-');
    const first = found.find((row) => row !== undefined);
    const cost = first ? [mega(first.bytes_up), mega(first.bytes_down), mega(first.train_tokens)] : ['-', '-', '-'];
    return `| ${[`\`${id}\``, ...macro, ...cost].join(' | ')} |`;
  });
  const headings = ['row', ...measured.map((each) => each.part), 'MB up', 'MB down', 'M tokens'];
  return [`| ${headings.join(' | ')} |`, `|${headings.map(() => '---').join('|')}|`, ...lines].join('\n');
}

/**
 * `text` with every block between `<!-- measured: ROWS -->` and `<!-- end -->` filled with what the sweep measured of those rows:
 * macro perplexity in each part, bytes and training tokens. `parts`: those of methods.json.
 */
export function withMeasured(text, parts) {
  const ordered = PART_IDS.flatMap((name) => parts.filter(({ part }) => part === name));
  return text.replace(BLOCK, (_, ids) => {
    const table = block(
      ids.split(',').map((id) => id.trim()),
      ordered,
    );
    return `<!-- measured: ${ids} -->\n\n${table}\n\n<!-- end -->`;
  });
}
