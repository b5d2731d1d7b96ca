import { describe, expect, it } from 'vitest';
import { escapeXml, html, trusted } from '../../../src/report/escape.js';

describe('markup', () => {
  it('escapes what is put in, in text and in attributes', () => {
    expect(html`<p title="${'"><b>'}">${`<i> & 'x'`}</p>`.text).toBe(
      '<p title="&#34;&#62;&#60;b&#62;">&#60;i&#62; &#38; &#39;x&#39;</p>',
    );
  });

  it('puts markup into markup, lists part by part, and leaves out what is not there', () => {
    expect(html`<ul>${['a<', 'b'].map((name) => html`<li>${name}</li>`)}${undefined}${false}${0}</ul>`.text).toBe(
      '<ul><li>a&#60;</li><li>b</li>0</ul>',
    );
    expect(html`${trusted('<hr/>')}`.text).toBe('<hr/>');
  });

  it('replaces characters that turn or break a line of text', () => {
    expect(escapeXml('a\u202Eb\u0000c\u2066d\ne')).toBe('a\uFFFDb\uFFFDc\uFFFDd\uFFFDe');
  });
});
