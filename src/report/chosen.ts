/** Owners with a picture of their own; a federation of thousands would make a page that nobody can open. */
const MAX_PICTURES = 24;
const THIRD = MAX_PICTURES / 3;

/** Some of many owners, in the order in which they came, and which they are. */
export interface Chosen<T> {
  readonly items: readonly T[];
  /** Empty where all are shown. */
  readonly note: string;
}

/**
 * The owners that are drawn: of many those who end best, in the middle and worst; where they have no perplexities, the first; and besides
 * whoever is asked for.
 */
export function chooseOwners<T>(
  items: readonly T[],
  pplOf: (item: T) => number | undefined,
  isAsked: (item: T) => boolean = () => false,
): Chosen<T> {
  const all = items.length;
  if (all <= MAX_PICTURES) return { items, note: '' };
  const scored = items
    .map((item) => ({ item, ppl: pplOf(item) ?? Number.NaN }))
    .filter(({ ppl }) => !Number.isNaN(ppl))
    .sort((a, b) => (a.ppl < b.ppl ? -1 : Number(a.ppl > b.ppl)))
    .map(({ item }) => item);
  const besides = items.some(isAsked) ? ', and those asked for' : '';
  if (scored.length < MAX_PICTURES) {
    return {
      items: items.filter((item, i) => i < MAX_PICTURES || isAsked(item)),
      note: ` The first ${MAX_PICTURES} of ${all} owners${besides}.`,
    };
  }
  const middle = Math.floor((scored.length - THIRD) / 2);
  const chosen = new Set([...scored.slice(0, THIRD), ...scored.slice(middle, middle + THIRD), ...scored.slice(-THIRD)]);
  return {
    items: items.filter((item) => chosen.has(item) || isAsked(item)),
    note: ` ${MAX_PICTURES} of ${all} owners: the ${THIRD} with the lowest perplexity, ${THIRD} in the middle and the ${THIRD} with the highest${besides}.`,
  };
}
