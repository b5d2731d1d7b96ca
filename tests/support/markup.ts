import { expect } from 'vitest';

/** Elements of HTML that have no end. */
const VOID = new Set(['meta', 'img']);

/**
 * Every tag closed in order, quoted attributes, and nothing but known entities: enough to say that a parser sees the
 * elements that were meant. Takes SVG, and HTML written like it.
 */
export function checkWellFormed(markup: string): void {
  const content = markup
    .replace(/^<!doctype html>/, '')
    .replace(/<style>[^<]*<\/style>|<script type="module">.*?<\/script>/gs, '');
  const open: string[] = [];
  for (const [tag, closing, name, attributes, selfClosing] of content.matchAll(/<(\/?)([a-z0-9]+)([^<>]*?)(\/?)>/g)) {
    expect(attributes, tag).toMatch(/^(\s+[a-z][\w:-]*="[^"]*")*\s*$/i);
    if (closing) expect(open.pop()).toBe(name);
    else if (!selfClosing && !VOID.has(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
  const outside = content.replaceAll(/<\/?[a-z0-9]+[^<>]*>/g, '');
  expect(outside).not.toMatch(/[<>]/);
  expect(content.replaceAll(/&#\d+;/g, '')).not.toContain('&');
}

/** Names of the attributes that some element has. */
export function attributeNames(markup: string): Set<string> {
  const tags = markup.matchAll(/<[a-z0-9]+((?:\s+[a-z][\w:-]*="[^"]*")*)\s*\/?>/gi);
  return new Set(
    [...tags].flatMap(([, attributes]) => [...attributes!.matchAll(/([\w:-]+)="/g)].map(([, name]) => name!)),
  );
}
