/** Characters that a text must not carry into a page: controls, and those that turn the direction of what follows. */
const UNSAFE = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu;

/** A text as content or attribute value of HTML and SVG. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.codePointAt(0)};`).replace(UNSAFE, '\uFFFD');
}

/** Text that is markup already; only `html` and `trusted` make it, so nothing from outside gets in unescaped. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | false | undefined | readonly Part[];

function render(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeXml(String(part));
  return part.map(render).join('');
}

/** Markup from a template: whatever is put in is escaped, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, i) => (i === 0 ? text : render(parts[i - 1]) + text)).join(''));
}

/** Markup from a text of our own source. */
export const trusted = (text: string): Markup => new Markup(text);
