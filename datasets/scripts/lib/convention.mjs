import * as formats from './formats.mjs';

/** What may be done to words taken over from the input. */
const WORDING = {
  same: (text) => text,
  terse: (text) => text.replace(/\b(the|a|an|my) /g, ''),
};

/** Which table each format of a convention is named in. */
const TABLES = {
  date: formats.dates,
  time: formats.times,
  name: formats.names,
  money: formats.monies,
  weight: formats.weights,
  length: formats.lengths,
  ref: formats.refs,
  phone: formats.phones,
  quantity: formats.quantities,
  label: formats.labels,
  list: formats.layouts,
  tasks: formats.layouts,
  record: formats.records,
  what: WORDING,
};

/** A convention as written in owners/ (names of formats, texts) with the formats in place of their names. */
export function convention(spec) {
  const named = Object.entries(TABLES).flatMap(([key, table]) => {
    if (spec[key] === undefined) return [];
    if (table[spec[key]] === undefined) throw new Error(`${spec.id}: no ${key} called ${spec[key]}.`);
    return [[key, table[spec[key]]]];
  });
  return { ...spec, ...Object.fromEntries(named) };
}
