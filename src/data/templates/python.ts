/** White space as Python's str.strip() has it. */
const SPACE =
  '\t\n\u000b\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

function strip(text: string, chars: unknown, left: boolean, right: boolean): string {
  const set = new Set(Array.from(typeof chars === 'string' ? chars : SPACE));
  const letters = Array.from(text);
  let from = 0;
  let to = letters.length;
  while (left && from < to && set.has(letters[from]!)) from++;
  while (right && to > from && set.has(letters[to - 1]!)) to--;
  return letters.slice(from, to).join('');
}

function partition(text: string, separator: string, at: number): string[] {
  return [text.slice(0, at), separator, text.slice(at + separator.length)];
}

/** An element of a list that the interpreter hands over still boxed. */
const unboxed = (item: unknown): unknown =>
  typeof item === 'object' && item !== null && 'value' in item ? item.value : item;

/** Methods of Python's str that chat templates call and the interpreter lacks, or runs without their arguments. */
const METHODS: Readonly<Record<string, (text: string, ...args: unknown[]) => unknown>> = {
  strip: (text, chars) => strip(text, chars, true, true),
  lstrip: (text, chars) => strip(text, chars, true, false),
  rstrip: (text, chars) => strip(text, chars, false, true),
  removeprefix: (text, prefix) => (text.startsWith(String(prefix)) ? text.slice(String(prefix).length) : text),
  removesuffix: (text, suffix) =>
    suffix !== '' && text.endsWith(String(suffix)) ? text.slice(0, -String(suffix).length) : text,
  capitalize: (text) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase(),
  casefold: (text) => text.toLowerCase(),
  find: (text, part) => text.indexOf(String(part)),
  rfind: (text, part) => text.lastIndexOf(String(part)),
  splitlines: (text) => {
    const lines = text.split(/\r\n|[\n\r]/);
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  },
  rsplit: (text, separator, most) => {
    if (typeof separator !== 'string' || separator === '') throw new Error('rsplit() needs a separator');
    const parts = text.split(separator);
    const limit = typeof most === 'number' && most >= 0 ? most : parts.length;
    const kept = parts.splice(Math.max(1, parts.length - limit));
    return [parts.join(separator), ...kept];
  },
  partition: (text, separator) => {
    const at = text.indexOf(String(separator));
    return at < 0 ? [text, '', ''] : partition(text, String(separator), at);
  },
  rpartition: (text, separator) => {
    const at = text.lastIndexOf(String(separator));
    return at < 0 ? ['', '', text] : partition(text, String(separator), at);
  },
  join: (text, list) => (Array.isArray(list) ? list.map((item) => String(unboxed(item))).join(text) : String(list)),
  isdigit: (text) => /^\d+$/.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  isspace: (text) => text !== '' && strip(text, undefined, true, true) === '',
  isupper: (text) => text !== text.toLowerCase() && text === text.toUpperCase(),
  islower: (text) => text !== text.toUpperCase() && text === text.toLowerCase(),
  zfill: (text, width) => text.padStart(Number(width), '0'),
};

/** The name under which templates find `callPythonMethod`. */
export const PYTHON_METHOD = '__python_method';

/** `value.name(...args)` for the methods above. Throws Error as Python would. */
export function callPythonMethod(value: unknown, name: string, ...args: unknown[]): unknown {
  if (typeof value === 'string') return METHODS[name]!(value, ...args);
  throw new Error(
    `${value === undefined ? 'undefined' : value === null ? 'None' : typeof value} has no method ${name}`,
  );
}

interface Node {
  type: string;
  [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

const call = (target: unknown, method: string, args: readonly unknown[]): Partial<Node> => ({
  type: 'CallExpression',
  callee: { type: 'Identifier', value: PYTHON_METHOD },
  args: [target, { type: 'StringLiteral', value: method }, ...args],
});

/**
 * Lets the methods of Python's str above do as in Python, in the tree of a parsed template. The interpreter of
 * @huggingface/jinja 0.5.11 (runtime.ts, StringValue) ignores the arguments of strip, lstrip and rstrip, so that Qwen3's
 * `lstrip('\n')` takes the indentation of an answer with it, and lacks most others.
 */
export function usePythonMethods(tree: unknown): void {
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    Object.values(node).forEach(visit);
    if (!isNode(node)) return;
    if (node.type === 'Identifier' && node.value === 'strftime_now') node.value = FIXED_DAY;
    const { callee, args, filter, operand } = node as {
      callee?: unknown;
      args?: unknown;
      filter?: unknown;
      operand?: unknown;
    };
    if (
      node.type === 'CallExpression' &&
      isNode(callee) &&
      callee.type === 'MemberExpression' &&
      callee.computed !== true
    ) {
      const name = (callee.property as Node | undefined)?.value;
      if (typeof name === 'string' && Object.hasOwn(METHODS, name))
        Object.assign(node, call(callee.object, name, args as unknown[]));
    }
    // `x | trim('\n')`
    if (node.type === 'FilterExpression' && isNode(filter) && filter.type === 'CallExpression') {
      if ((filter.callee as Node | undefined)?.value === 'trim')
        Object.assign(node, call(operand, 'strip', filter.args as unknown[]));
    }
  };
  visit(tree);
}

/** The name that `strftime_now` gets, which the interpreter has for itself and would answer with today. */
export const FIXED_DAY = '__fixed_day';

const DAY = {
  d: '26',
  b: 'Jul',
  B: 'July',
  m: '07',
  Y: '2024',
  y: '24',
  a: 'Fri',
  A: 'Friday',
  H: '00',
  M: '00',
  S: '00',
  j: '208',
};

/** A day that never changes, so that equal runs see equal prompts: the one that Llama 3's templates fall back to. */
export function fixedDay(format: unknown): string {
  return String(format).replace(
    /%-?([a-zA-Z])/g,
    (whole, letter: string) => (DAY as Record<string, string>)[letter] ?? whole,
  );
}
