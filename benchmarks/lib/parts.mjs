import { machineLines } from './markdown.mjs';

/** The parts of a benchmark that `--parts` names; says which there are and ends where one is unknown. */
export function chosenParts(list, all) {
  const names = list.split(',');
  const unknown = names.find((name) => all[name] === undefined);
  if (unknown === undefined) return names;
  console.error(`Expected --parts out of ${Object.keys(all).join(', ')} but received "${unknown}".`);
  process.exit(2);
}

/** Runs parts one after the other, each kept as it is done, and prints the report of all that were ever run. */
export async function runParts(names, { results, machine, quick, measure, report }) {
  for (const name of names) {
    console.error(`${name} ...`);
    const result = await measure(name);
    const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
    results.content.parts[name] = { date, quick, machine, result };
    results.save();
  }
  console.log(report(results.content));
  console.error(`Written to ${results.markdown}`);
}

/** All parts as Markdown, in the order of `names`, below `head`. */
export function partsReport(head, { parts }, names, render) {
  const lines = [...head];
  for (const name of names) {
    const part = parts[name];
    if (part === undefined) continue;
    const [title, ...rest] = render[name](part.result);
    lines.push('', title, '', `${part.date}${part.quick ? ', shortened (--quick)' : ''}.`);
    for (const block of rest) lines.push('', block);
  }
  const last = Object.values(parts).at(-1);
  if (last !== undefined) lines.push('', '## Machine', '', ...machineLines(last.machine));
  return `${lines.join('\n')}\n`;
}
