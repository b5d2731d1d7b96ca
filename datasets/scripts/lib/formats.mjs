import { MONTHS, WEEKDAYS } from './people.mjs';

const pad = (n) => String(n).padStart(2, '0');
const ordinal = (n) => `${n}${n > 10 && n < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')}`;
const short = (text) => text.slice(0, 3);
const hour12 = (hour) => ((hour + 11) % 12) + 1;
const half = (hour) => (hour < 12 ? 'am' : 'pm');

/** How people and organisations write a day. */
export const dates = {
  long: (d) => `${WEEKDAYS[d.weekday]} ${d.day} ${MONTHS[d.month]}`,
  comma: (d) => `${WEEKDAYS[d.weekday]}, ${d.day} ${MONTHS[d.month]}`,
  monthFirst: (d) => `${WEEKDAYS[d.weekday]}, ${MONTHS[d.month]} ${d.day}`,
  ordinal: (d) => `${WEEKDAYS[d.weekday]} the ${ordinal(d.day)} of ${MONTHS[d.month]}`,
  abbreviated: (d) => `${short(WEEKDAYS[d.weekday])} ${d.day} ${short(MONTHS[d.month])}`,
  slash: (d) => `${pad(d.day)}/${pad(d.month + 1)}`,
  capitals: (d) => `${short(WEEKDAYS[d.weekday])} ${pad(d.day)} ${short(MONTHS[d.month])}`.toUpperCase(),
  iso: (d) => `2026-${pad(d.month + 1)}-${pad(d.day)}`,
  dots: (d) => `${d.day}.${d.month + 1}.`,
  dayMonth: (d) => `${d.day} ${short(MONTHS[d.month])}`,
  weekdayOrdinal: (d) => `${short(WEEKDAYS[d.weekday])} ${ordinal(d.day)}`,
};

/** `{hour, minute}` in figures. */
export const times = {
  colon: (t) => `${pad(t.hour)}:${pad(t.minute)}`,
  bare: (t) => `${pad(t.hour)}${pad(t.minute)}`,
  dot: (t) => `${pad(t.hour)}.${pad(t.minute)}`,
  pm: (t) => `${hour12(t.hour)}:${pad(t.minute)} ${half(t.hour)}`,
  dotPm: (t) => `${hour12(t.hour)}.${pad(t.minute)}${half(t.hour)}`,
  h: (t) => `${t.hour}h${pad(t.minute)}`,
};

export const NUMBERS = [
  ...['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'],
];

/** The words people say for the time, where there are any; else figures. */
export function spokenTime(t) {
  const hour = NUMBERS[hour12(t.hour)];
  if (t.minute === 0) return `${hour} o'clock`;
  if (t.minute === 15) return `quarter past ${hour}`;
  if (t.minute === 30) return `half past ${hour}`;
  if (t.minute === 45) return `quarter to ${NUMBERS[hour12(t.hour + 1)]}`;
  return times.pm(t);
}

export const names = {
  full: (p) => `${p.first} ${p.last}`,
  first: (p) => p.first,
  initial: (p) => `${p.first[0]}. ${p.last}`,
  sorted: (p) => `${p.last}, ${p.first}`,
  sortedCapitals: (p) => `${p.last.toUpperCase()}, ${p.first}`,
  lastCapitals: (p) => `${p.first} ${p.last.toUpperCase()}`,
  firstInitial: (p) => `${p.first} ${p.last[0]}.`,
};

/** Of a number of pence. */
export const monies = {
  pounds: (pence) => `£${(pence / 100).toFixed(2)}`,
  code: (pence) => `GBP ${(pence / 100).toFixed(2)}`,
  comma: (pence) => `${(pence / 100).toFixed(2).replace('.', ',')} GBP`,
  pence: (pence) => `${pence}p`,
  words: (pence) => `${Math.floor(pence / 100)} pounds${pence % 100 === 0 ? '' : ` ${pence % 100}`}`,
};

/** Of a number of grams, a multiple of 100. */
export const weights = {
  kg: (g) => `${g / 1000} kg`,
  kgTight: (g) => `${g / 1000}kg`,
  kgComma: (g) => `${String(g / 1000).replace('.', ',')} kg`,
  g: (g) => `${g} g`,
  words: (g) => `${g / 1000} kilos`,
};

/** Of a number of centimetres. */
export const lengths = {
  cm: (cm) => `${cm} cm`,
  cmTight: (cm) => `${cm}cm`,
  mm: (cm) => `${cm * 10} mm`,
  m: (cm) => `${(cm / 100).toFixed(2)} m`,
  words: (cm) => `${cm} centimetres`,
};

export const refs = {
  plain: (n) => `${n}`,
  hash: (n) => `#${n}`,
  ref: (n) => `Ref ${n}`,
  no: (n) => `No. ${n}`,
  tight: (n) => `REF${n}`,
};

/** Local telephone numbers of six figures. */
export const phones = {
  plain: (n) => n,
  threes: (n) => `${n.slice(0, 3)} ${n.slice(3)}`,
  dash: (n) => `${n.slice(0, 3)}-${n.slice(3)}`,
  pairs: (n) => `${n.slice(0, 2)} ${n.slice(2, 4)} ${n.slice(4)}`,
  ext: (n) => `tel ${n}`,
};

export const quantities = {
  plain: (n, what) => `${n} ${what}`,
  times: (n, what) => `${n} x ${what}`,
  after: (n, what) => `${what} x${n}`,
  colon: (n, what) => `${what}: ${n}`,
  paren: (n, what) => `${what} (${n})`,
  equals: (n, what) => `${what} = ${n}`,
};

/** Names of a kind of event: "lost item". */
export const labels = {
  words: (label) => label,
  capital: (label) => label.charAt(0).toUpperCase() + label.slice(1),
  upper: (label) => label.toUpperCase(),
  kebab: (label) => label.replaceAll(' ', '-'),
  initials: (label) =>
    label
      .split(' ')
      .map((word) => word.slice(0, 3).toUpperCase())
      .join('.'),
};

/** Several lines or one, from parts. */
export const layouts = {
  dashes: (items) => items.map((item) => `- ${item}`).join('\n'),
  stars: (items) => items.map((item) => `* ${item}`).join('\n'),
  boxes: (items) => items.map((item) => `[ ] ${item}`).join('\n'),
  numbers: (items) => items.map((item, i) => `${i + 1}. ${item}`).join('\n'),
  brackets: (items) => items.map((item, i) => `${i + 1}) ${item}`).join('\n'),
  lines: (items) => items.join('\n'),
  commas: (items) => items.join(', '),
  slashes: (items) => items.join(' / '),
  pipes: (items) => items.join(' | '),
  semicolons: (items) => items.join('; '),
  plus: (items) => items.join(' + '),
};

/** A record, from `[key, value]` pairs. */
export const records = {
  lines: (pairs) => pairs.map(([key, value]) => `${key}: ${value}`).join('\n'),
  dashes: (pairs) => pairs.map(([key, value]) => `${key} - ${value}`).join('\n'),
  json: (pairs) => `{${pairs.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(', ')}}`,
  pipes: (pairs) => pairs.map(([, value]) => value).join(' | '),
  equals: (pairs) => pairs.map(([key, value]) => `${key}=${value}`).join('; '),
  commas: (pairs) => pairs.map(([, value]) => value).join(', '),
  sentence: (pairs) => `${pairs.map(([key, value]) => `${key} ${value}`).join(', ')}.`,
};
