import * as formats from './formats.mjs';

/** What may be done to words taken over from the input. */
const WORDING = {
  same: (text) => text,
  terse: (text) => text.replace(/\b(the|a|an|my) /g, ''),
};

/** A convention as written in owners/ (names of formats, texts) with the formats in place of their names. */
export function convention(spec) {
  const named = (table, key) => {
    const format = table[spec[key]];
    if (format === undefined) throw new Error(`${spec.id}: no ${key} called ${spec[key]}.`);
    return format;
  };
  return {
    ...spec,
    date: named(formats.dates, 'date'),
    time: named(formats.times, 'time'),
    name: named(formats.names, 'name'),
    money: named(formats.monies, 'money'),
    weight: named(formats.weights, 'weight'),
    length: named(formats.lengths, 'length'),
    ref: named(formats.refs, 'ref'),
    phone: named(formats.phones, 'phone'),
    quantity: named(formats.quantities, 'quantity'),
    label: named(formats.labels, 'label'),
    list: named(formats.layouts, 'list'),
    tasks: named(formats.layouts, 'tasks'),
    record: named(formats.records, 'record'),
    what: named(WORDING, 'what'),
  };
}
