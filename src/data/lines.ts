import type { Example } from './types.js';

/** The rows of an owner as its home has them: lines of JSON without the two other line ends of Unicode, at which readers of lines cut. */
export function* exampleLines(examples: readonly Example[]): Generator<string> {
  for (const example of examples) {
    yield `${JSON.stringify(example).replace(/[\u2028\u2029]/g, (end) => (end === '\u2028' ? '\\u2028' : '\\u2029'))}\n`;
  }
}
