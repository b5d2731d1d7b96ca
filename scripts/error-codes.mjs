#!/usr/bin/env node
// npm run docs:errors: docs/errors.md, every error code with the class that carries it and what it says, out of the sources.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { globSync } from 'tinyglobby';

const root = fileURLToPath(new URL('..', import.meta.url));
const CODE = /\(\s*(?:[\w.]+,\s*)?['"]([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)['"],/g;
/** What is called with a code first: an error's class, or a function that makes one. */
const MAKER = /(?:(\w*Error|Failure)|\b(?:error|hubError|failure|fail|refusal|broken))$/;
const OWN_CODE = /\bcode: '([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g;

/** The arguments of a call that opens before `from`, up to its closing parenthesis. */
function argumentsFrom(text, from) {
  let depth = 1;
  let quote = '';
  let at = from;
  for (; depth > 0 && at < text.length; at++) {
    const char = text[at];
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (`'"\``.includes(char)) quote = char;
    else if (char === '(') depth++;
    else if (char === ')') depth--;
  }
  return text.slice(from, at - 1);
}

/** The texts in a piece of code, put together, with three dots for what is filled in. */
function said(code, between = '') {
  const parts = [...code.matchAll(/'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\]|\\.)*)"/g)].map(
    ([, a, b, c]) => a ?? b ?? c,
  );
  const text = parts.filter((part) => /[a-z] | [a-z]/.test(part)).join(between);
  return text
    .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
    .replaceAll(/\\[n'"`]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** Class of the errors of a folder whose maker does not say it. */
const BY_FOLDER = {
  native: 'EngineError',
  model: 'ModelError',
  data: 'DataError',
  safetensors: 'ModelError, AdapterError',
};

function collect() {
  const codes = new Map();
  const add = (code, kind, text) => {
    const known = codes.get(code) ?? { kinds: new Set(), text: '' };
    for (const name of kind.split(', ')) known.kinds.add(name);
    if (text.length > known.text.length && known.text.length < 60 && !text.includes('${')) known.text = text;
    codes.set(code, known);
  };
  for (const file of globSync(['src/**/*.ts', 'native/{engine,addon}/**/*.{cpp,h}'], { cwd: root }).sort()) {
    const text = readFileSync(join(root, file), 'utf8');
    const native = file.startsWith('native');
    const folder = native ? 'native' : basename(dirname(file)) === 'src' ? 'src' : file.split('/')[1];
    for (const match of text.matchAll(CODE)) {
      const maker = MAKER.exec(text.slice(0, match.index));
      if (maker === null) continue;
      const kind = /^[A-Z]\w+Error$/.test(maker[1] ?? '') ? maker[1] : (BY_FOLDER[folder] ?? 'FedtuneError');
      add(match[1], kind, said(argumentsFrom(text, match.index + match[0].length), native ? '…' : ''));
    }
    for (const match of text.matchAll(OWN_CODE)) {
      const before = text.slice(0, match.index);
      const at = Math.max(before.lastIndexOf('new ConfigError('), before.lastIndexOf('ConfigError('));
      if (at >= 0 && !native) add(match[1], 'ConfigError', said(text.slice(at, match.index)).slice(0, 300));
    }
  }
  add(
    'CONFIG',
    'ConfigError',
    'The run file or the command line is wrong; the message names each key, what was expected and what came.',
  );
  add('INTERRUPTED', 'InterruptedError', 'Ctrl-C. What was done is kept.');
  return codes;
}

const escaped = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** The page, as it should be. */
export function errorsPage() {
  const rows = [...collect()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { kinds, text }]) =>
        `| \`${code}\` | ${[...kinds].sort().join(', ')} | ${escaped(text) || 'what it was that failed: see the message'} |`,
    );
  return `# Error codes

Everything that fedtune throws on purpose is a \`FedtuneError\` of one of the classes below, with a \`code\` for programs and a message that says
what was expected, what came and what to do next. The command line prints the message and exits with 2 for a \`ConfigError\`, 130 after
Ctrl-C, and 1 otherwise. One message of each code, three dots for what is filled in (written by \`npm run docs:errors\`):

| code | class | says, for instance |
| ---- | ----- | ------------------ |
${rows.join('\n')}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, 'docs/errors.md'), errorsPage());
