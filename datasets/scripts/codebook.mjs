import { stream } from './lib/random.mjs';

/**
 * What the trade's association has a code for: jobs, articles with their unit, and buildings. Members write the code and
 * must know what it stands for; no two codes have anything to do with each other, so none follows from the others.
 */
const WORDS = {
  services: `boiler check, window repair, fire alarm test, key handover, carpet measuring, lift inspection, roof repair
    lock change, pipe repair, drain check, gutter cleaning, fence painting, door repair, heating check, tap repair
    floor repair, wall painting, garden work, bin collection, cable check, shelf fitting, gate repair, window cleaning
    stairwell cleaning, meter reading, lamp change, glass repair, pump repair, damp check, paint removal`,
  items: `rolls of tape, boxes of gloves, light bulbs, packs of paper, bin bags, batteries, door signs, bars of soap
    extension leads, sponges, mops, wall hooks, dusters, tins of paint, bags of sand, boxes of nails, packs of screws
    rolls of wire, fuses, door locks, brushes, water filters, tubes of glue, sacks of salt, sheets of glass, oil cans
    lamp covers, drain covers, window frames, padded bags`,
  places: `the town hall, the old mill, the market hall, the fire station, the bus garage, the art school, the library
    the castle, the ice rink, the brewery, the chapel, the museum, the court house, the post office, the dairy
    the theatre, the music school, the care home, the tennis club, the bakery`,
};

const LETTERS = [...'BCDFGHKLMPRSTVWX'];

/** `{code, kind, words}`, equal on every run: a letter and two figures each. */
function codebook() {
  const rng = stream('fedtune-codebook-1');
  const taken = new Set();
  const fresh = () => {
    for (;;) {
      const code = `${rng.pick(LETTERS)}${rng.int(10)}${rng.int(10)}`;
      if (!taken.has(code) && taken.add(code)) return code;
    }
  };
  return Object.entries(WORDS).flatMap(([kind, text]) =>
    text.split(/[\n,]/).map((words) => ({ code: fresh(), kind, words: words.trim() })),
  );
}

export const CODEBOOK = codebook();

const MEANING = new Map(CODEBOOK.map(({ code, words }) => [code, words]));
const CODE = /\b[A-Z]\d\d\b/g;

/** Codes in a text. */
export const codesIn = (text) => (text.match(CODE) ?? []).filter((code) => MEANING.has(code));

/** A text with what the codes mean in their place, as an owner words things. */
export const decoded = (text, wording) => text.replace(CODE, (code) => wording(MEANING.get(code) ?? code));
